(module
  (import "host" "memory" (memory 1))
  (table $t 1 funcref)
  (func (export "handle") (param i32) (result i32)
    (drop (memory.grow (i32.const 65535)))
    (drop (table.grow $t (ref.null func) (i32.const 10000000)))
    (i32.const 32)))
