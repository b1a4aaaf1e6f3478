"""Typed functions, programs and containers as durable tasks on workers anywhere, composed into workflows."""

__version__ = "0.1.0.dev0"
