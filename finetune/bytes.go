package finetune

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of memory. In files of settings it is a text such as "2GiB" or "500MB", and "" is none.
type Bytes int64

var units = []struct {
	suffix string
	size   float64
}{{"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10}, {"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3}, {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"b", 1}, {"", 1}}

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	lower := strings.ToLower(strings.TrimSpace(string(text)))
	if lower == "" {
		*b = 0
		return nil
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(lower, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v > 0 && v*u.size >= 1 && v*u.size < math.MaxInt64/2) {
			break
		}
		*b = Bytes(v * u.size)
		return nil
	}
	return errors.New("want a size such as 2GiB or 500MB")
}

// MarshalText is String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String returns the size exactly.
func (b Bytes) String() string {
	switch {
	case b == 0:
		return ""
	case b%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", int64(b>>30))
	case b%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", int64(b>>20))
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// mib says a size for people.
func mib(bytes int64) string { return fmt.Sprintf("%.0f MiB", math.Ceil(float64(bytes)/(1<<20))) }
