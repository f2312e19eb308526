"""Carrying out a plan, and what that needs: playbooks, waiting for SSH, progress."""
