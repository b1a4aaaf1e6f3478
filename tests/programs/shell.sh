#!/bin/sh
# The program of every task in these tests: it does what its input `script` says.
eval "$TASK_VALUE_script"
