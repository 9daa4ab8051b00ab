;; Has components within components, nine deep. Refused at load.
(component
  (component (component (component (component (component (component (component (component (component ))))))))))
