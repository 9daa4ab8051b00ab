;; Grows its table without end. Stopped by the table's limit.
;;
;; A component in text, since no language reaches a table: `xtask guests` encodes it.
(component
  (type $types
    (instance
      (type $text string)
      (export "json" (type $json (eq $text)))
      (type $millis s64)
      (export "timestamp" (type $timestamp (eq $millis)))
      (type $headers (list (tuple string string)))
      (type $event-record
        (record
          (field "id" string)
          (field "sequence" (option string))
          (field "event-type" string)
          (field "aggregate-type" string)
          (field "aggregate-id" string)
          (field "payload" $json)
          (field "created-at" $timestamp)
          (field "headers" $headers)
          (field "columns" $json)))
      (export "event" (type (eq $event-record)))
      (type $actions (enum "retry" "reject" "skip"))
      (export "action" (type $action (eq $actions)))
      (type $failure-record
        (record
          (field "action" $action)
          (field "error-type" string)
          (field "message" string)
          (field "trace" (option string))
          (field "after-ms" (option u32))))
      (export "failure" (type (eq $failure-record)))))
  (import "weir:handler/types@0.1.0" (instance $contract (type $types)))
  (alias export $contract "json" (type $json))
  (alias export $contract "event" (type $event))
  (alias export $contract "failure" (type $failure))

  (core module $module
    (memory (export "memory") 1)
    (table $table 1 funcref)

    ;; What `describe` gives: the address and the length of the text below.
    (data (i32.const 8) "\00\04\00\00\57\00\00\00")
    (data (i32.const 1024)
      "{\22description\22: \22Grows its table without end.\22, \22events\22: [\22GrowsTable\22], \22grants\22: {}}")

    ;; Only the event is ever placed here, so nothing is given back.
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $free) (i32.shl (memory.size) (i32.const 16)))
        (then
          (if (i32.eq
                (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1)))
                (i32.const -1))
            (then unreachable))))
      (local.get $at))

    (func (export "describe") (result i32) (i32.const 8))

    (func $grow (export "handle") (param $event i32) (result i32)
      (loop $again
        (br_if $again
          (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1))))
      unreachable))

  (core instance $instance (instantiate $module))
  (alias core export $instance "memory" (core memory $memory))
  (alias core export $instance "realloc" (core func $realloc))
  (func $describe (result $json)
    (canon lift (core func $instance "describe") (memory $memory)))
  (func $handle (param "event" $event) (result (result (error $failure)))
    (canon lift (core func $instance "handle") (memory $memory) (realloc $realloc)))
  (instance $handler
    (export "json" (type $json))
    (export "event" (type $event))
    (export "failure" (type $failure))
    (export "describe" (func $describe))
    (export "handle" (func $handle)))
  (export "weir:handler/handler@0.1.0" (instance $handler)))
