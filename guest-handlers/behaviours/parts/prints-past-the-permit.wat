;; Writes more to stdout at once than it is permitted. A trap.
;; @top
(import "wasi" "stdout" (func $stdout (result i32)))
(import "wasi" "write" (func $write (param i32 i32 i32 i32)))
;; @handle
(call $write (call $stdout) (i32.const 4096) (i32.const 65537) (i32.const 64))
