(module
  (import "host" "insert-many" (func $insert (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (func (export "handle") (param i32) (result i32)
    (call $insert (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 8192) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
    (i32.const 32)))
