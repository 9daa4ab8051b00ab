(module
  (import "host" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
  (import "host" "random" (func $random (param i32 i32)))
  (func (export "handle") (param i32) (result i32)
    (call $random (i32.const 16) (i32.const 64))
    (call $log (i32.const 7) (i32.const 1024) (i32.const 60) (i32.const 1) (i32.const 1024) (i32.const 60))
    (i32.const 32)))
