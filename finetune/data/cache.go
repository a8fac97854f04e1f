package data

import (
	"container/list"
	"sync"
)

// cache keeps decoded photos, those used last, in a bounded number of bytes. Who asks for a photo that another is decoding
// waits for it. Errors are kept: a photo that cannot be read is tried once.
type cache struct {
	room int64

	mu      sync.Mutex
	used    int64     // of entries in recent and of those being decoded to be kept
	recent  list.List // of *entry, the last used first
	entries map[string]*entry
}

type entry struct {
	path  string
	bytes int64
	ready chan struct{} // closed when pic and err are set
	pic   *picture
	err   error
	at    *list.Element // in recent, if it is kept
}

func newCache(room int64) *cache { return &cache{room: room, entries: map[string]*entry{}} }

// get returns the photo of a file that takes the given bytes in memory, by decode if it is not there.
func (c *cache) get(path string, bytes int64, decode func(path string) (*picture, error)) (*picture, error) {
	c.mu.Lock()
	if e := c.entries[path]; e != nil {
		if e.at != nil {
			c.recent.MoveToFront(e.at)
		}
		c.mu.Unlock()
		<-e.ready
		return e.pic, e.err
	}
	e := &entry{path: path, bytes: bytes, ready: make(chan struct{})}
	c.entries[path] = e
	keep := bytes <= c.room
	if keep { // make room first, so that decoding does not exceed it
		c.used += bytes
		for c.used > c.room && c.recent.Len() > 0 {
			old := c.recent.Remove(c.recent.Back()).(*entry)
			delete(c.entries, old.path)
			c.used -= old.bytes
		}
	}
	c.mu.Unlock()

	e.pic, e.err = decode(path)
	close(e.ready)

	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case e.err != nil:
		if keep {
			c.used -= bytes
		}
	case keep && c.used <= c.room:
		e.at = c.recent.PushFront(e)
	default: // too large, or others being decoded fill the cache
		delete(c.entries, path)
		if keep {
			c.used -= bytes
		}
	}
	return e.pic, e.err
}
