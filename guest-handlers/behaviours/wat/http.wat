;; Imports a client of HTTP. Refused at load.
(component
  (import "wasi:http/outgoing-handler@0.2.0" (instance)))
