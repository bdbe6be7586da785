"""Blocks that only one block leads to are joined with it."""

from __future__ import annotations

from mlc.backends.llvm.builder import join_blocks

LOOP = """
entry:
  br i1 %c, label %t, label %f
t:
  br label %p
p:
  br label %loop
loop:
  %i = phi i64 [ 0, %p ], [ %n, %e ]
  br label %e
e:
  %n = add i64 %i, 1
  br i1 %more, label %loop, label %x
x:
  br label %f
f:
  %r = phi i64 [ 0, %entry ], [ %n, %x ]
  ret void
"""

JOINED = """
entry:
  br i1 %c, label %t, label %f
t:
  br label %loop
loop:
  %i = phi i64 [ 0, %t ], [ %n, %loop ]
  %n = add i64 %i, 1
  br i1 %more, label %loop, label %x
x:
  br label %f
f:
  %r = phi i64 [ 0, %entry ], [ %n, %x ]
  ret void
"""


def test_blocks_that_one_block_leads_to_are_joined_with_it() -> None:
    assert join_blocks(LOOP.strip().splitlines()) == JOINED.strip().splitlines()


def test_joining_again_changes_nothing() -> None:
    lines = JOINED.strip().splitlines()
    assert join_blocks(lines) == lines
