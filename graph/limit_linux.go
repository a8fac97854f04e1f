package graph

import "golang.org/x/sys/unix"

// memoryLimit returns the bytes that one run may take: the memory of the machine, so that a damaged or hostile model gets an
// error and the process is not killed.
func memoryLimit() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return maxMemory
	}
	return min(maxMemory, int64(info.Totalram)*int64(info.Unit))
}
