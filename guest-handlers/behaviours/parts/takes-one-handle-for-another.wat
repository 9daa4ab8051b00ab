;; Drops a pollable as a resource of its own. A trap.
;; @top
(import "own" "new" (func $new (param i32) (result i32)))
(import "own" "drop" (func $drop (param i32)))
(import "wasi" "subscribe" (func $subscribe (param i64) (result i32)))
;; @handle
(call $drop (call $subscribe (i64.const 1)))
