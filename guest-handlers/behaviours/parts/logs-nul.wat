;; Logs 100 lines of 60,000 NULs, with as many in their fields, each of which takes six bytes where it is written. Lines are cut and dropped.
;; @top
(import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
;; @handle
(local $n i32)
(memory.fill (i32.const 65536) (i32.const 0) (i32.const 60000))
(loop $again
  (call $log (i32.const 4) (i32.const 65536) (i32.const 60000) (i32.const 1) (i32.const 65536) (i32.const 60000))
  (local.set $n (i32.add (local.get $n) (i32.const 1)))
  (br_if $again (i32.lt_u (local.get $n) (i32.const 100))))
