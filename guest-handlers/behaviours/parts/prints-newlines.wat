;; Writes 64 KiB of newlines to stdout four times. Lines are dropped and counted.
;; @top
(import "wasi" "stdout" (func $stdout (result i32)))
(import "wasi" "write" (func $write (param i32 i32 i32 i32)))
;; @handle
(local $n i32) (local $stdout i32)
(local.set $stdout (call $stdout))
(memory.fill (i32.const 65536) (i32.const 10) (i32.const 65536))
(loop $again
  (call $write (local.get $stdout) (i32.const 65536) (i32.const 65536) (i32.const 64))
  (local.set $n (i32.add (local.get $n) (i32.const 1)))
  (br_if $again (i32.lt_u (local.get $n) (i32.const 4))))
