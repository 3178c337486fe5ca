"""Centralised exchanges through ccxt, and the local exchange that speaks Binance's wire format."""
