;; Polls a list of 60,000 times the same pollable. Stopped by the limit of what it may hold.
;; @top
(import "wasi" "subscribe" (func $subscribe (param i64) (result i32)))
(import "wasi" "poll" (func $poll (param i32 i32 i32)))
;; @handle
(local $n i32) (local $pollable i32)
(drop (memory.grow (i32.const 4)))
(local.set $pollable (call $subscribe (i64.const 0)))
(loop $again
  (i32.store (i32.add (i32.const 131072) (i32.shl (local.get $n) (i32.const 2))) (local.get $pollable))
  (local.set $n (i32.add (local.get $n) (i32.const 1)))
  (br_if $again (i32.lt_u (local.get $n) (i32.const 60000))))
(call $poll (i32.const 131072) (i32.const 60000) (i32.const 64))
