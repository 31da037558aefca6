"""Rehearsals: a stack's file and program, played through on a simulated account before they meet a real one."""
