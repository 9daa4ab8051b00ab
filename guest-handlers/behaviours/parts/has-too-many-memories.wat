;; Has nine memories more than its own. Refused at load.
;; @top
{repeat 9 (memory 1) }
