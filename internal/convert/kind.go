package convert

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/gansr/gansr/onnxio/torch"
)

// isTorch reports whether a file is one of PyTorch's, by its first bytes, or else by its name. The error says what a file is that is no model; one that
// cannot be read is left to what opens it.
func isTorch(path string) (bool, error) {
	head := make([]byte, 512)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return torch.Is(path), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return torch.Is(path), nil
	}
	defer f.Close()
	n, err := io.ReadFull(f, head)
	head = head[:n]
	switch text := strings.ToLower(strings.TrimSpace(string(head))); {
	case err == io.EOF:
		return false, errors.New("the file is empty")
	case strings.HasPrefix(text, "version https://git-lfs"):
		return false, errors.New("a pointer of Git LFS, not the file itself: fetch it with \"git lfs pull\"")
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return false, errors.New("a web page, not the file itself: download it by the link of the file")
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n")), bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return false, errors.New("a picture, and a model is wanted")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), n > 1 && head[0] == 0x80 && head[1] <= 5, n > 8 && string(head[4:9]) == "\x00\x00\x00\x00{": // zip, pickle, safetensors
		return true, nil
	case n > 1 && head[0] == 0x08 && head[1] < 0x20: // the version of the format, with which ONNX files begin
		return false, nil
	}
	return torch.Is(path), nil
}
