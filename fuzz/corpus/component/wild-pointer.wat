(module
  (import "host" "insert-one" (func $insert (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (func (export "handle") (param i32) (result i32)
    (call $insert (i32.const -1) (i32.const -1) (i32.const 7) (i32.const 0x7fffffff) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 3))
    (i32.const -4)))
