"""Tokens that users earn: their welcome, daily logins, points for answers, achievements."""
