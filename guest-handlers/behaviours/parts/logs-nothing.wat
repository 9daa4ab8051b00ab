;; Logs 9,000 lines without a word. Lines are dropped and counted.
;; @top
(import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
;; @handle
(local $n i32)
(loop $again
  (call $log (i32.const 2) (i32.const 4096) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
  (local.set $n (i32.add (local.get $n) (i32.const 1)))
  (br_if $again (i32.lt_u (local.get $n) (i32.const 9000))))
