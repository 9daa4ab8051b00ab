;; Has 100,100 functions. Refused at load.
;; @top
{repeat 100100 (func)}
