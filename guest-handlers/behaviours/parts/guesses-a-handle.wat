;; Writes to a stream by a handle that it was never given. A trap.
;; @top
(import "wasi" "write" (func $write (param i32 i32 i32 i32)))
;; @handle
(call $write (i32.const 12345) (i32.const 4096) (i32.const 1) (i32.const 64))
