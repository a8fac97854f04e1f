package kernel

// simdPaths are the paths of the architecture, of which this CPU may lack some.
var simdPaths = []functions{avx512, avx2}
