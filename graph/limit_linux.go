package graph

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// SystemMemory returns the bytes that one run may take: the memory that the machine has, or the control groups of the process allow, so that a
// damaged or hostile model gets an error and the process is not killed.
var SystemMemory = sync.OnceValue(func() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return maxMemory
	}
	limit := min(maxMemory, int64(info.Totalram)*int64(info.Unit))
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return limit
	}
	return min(limit, groupMemory(string(groups), func(path string) string {
		text, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup", path)) // what cannot be read sets no limit
		return string(text)
	}))
})

// groupMemory returns the least memory that control groups allow, which are listed as in /proc/self/cgroup. A group has no more than those that it is in;
// within a container the paths may be those outside, and the group's own files lie at the top.
func groupMemory(groups string, read func(path string) string) int64 {
	least := int64(math.MaxInt64)
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		top, name := "/", "memory.max"
		if fields[1] != "" {
			top, name = "/memory", "memory.limit_in_bytes"
			if !strings.Contains(","+fields[1]+",", ",memory,") {
				continue
			}
		}
		for at := filepath.Join("/", fields[2]); ; at = filepath.Dir(at) {
			if n, err := strconv.ParseInt(strings.TrimSpace(read(filepath.Join(top, at, name))), 10, 64); err == nil && n > 0 {
				least = min(least, n)
			}
			if at == "/" {
				break
			}
		}
	}
	return least
}
