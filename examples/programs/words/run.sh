#!/usr/bin/env bash
set -euo pipefail

words() {  # one per line, in small letters, of at least this many letters
  tr -cs '[:alpha:]' '\n' < "$TASK_INPUT_text" | tr '[:upper:]' '[:lower:]' | awk -v n="$1" 'length($0) >= n'
}

case "$TASK_NAME" in
  words.count)
    if ! grep -q '[[:alpha:]]' "$TASK_INPUT_text"; then
      echo '{"code": "invalid_input", "message": "the text has no words",
             "violations": [{"path": "$.text", "message": "no words"}]}' > "$TASK_ERROR"
      exit 1
    fi
    echo '::tidemill progress {"fraction": 0.1, "stage": "counting"}'
    wc -l < "$TASK_INPUT_text" > "$TASK_OUTPUT_lines"
    words "$TASK_VALUE_shortest" | wc -l > "$TASK_OUTPUT_words"
    words "$TASK_VALUE_shortest" | sort | uniq -c | sort -k1,1nr -k2 > "$TASK_OUTPUT_table"
    echo '{"files": {"table": {"name": "words.txt", "media_type": "text/plain"}}}' > "$TASK_DONE"
    ;;
  words.each)
    words 1 | while read -r word; do echo "::tidemill item \"$word\""; done
    ;;
  *)
    echo "there is no task $TASK_NAME" > "$TASK_ERROR"
    exit 1
    ;;
esac
