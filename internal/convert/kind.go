package convert

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gansr/gansr/onnxio/torch"
)

// others are files that people take for models that are read, by what they have at some place.
var others = []struct {
	at          int
	magic, what string
}{
	{0, "version https://git-lfs", "a pointer of Git LFS, not the file itself: fetch it with \"git lfs pull\""},
	{0, "<!doctype html", webPage}, {0, "<!DOCTYPE html", webPage}, {0, "<html", webPage},
	{0, "\x89PNG\r\n", picture}, {0, "\xff\xd8\xff", picture},
	{0, "\x89HDF\r\n\x1a\n", "a file of Keras or of another program that writes HDF5; " + byTensorFlow},
	{4, "TFL3", "a model of TensorFlow Lite; \"python -m tf2onnx.convert --tflite FILE --output OUT.onnx\" makes an ONNX file of it"},
	{0, "7767517\n", "a network of ncnn; convert the file that it was made of"},
	{0, "<?xml", "an XML file, as OpenVINO's networks are; convert the file that it was made of"},
}

const (
	webPage      = "a web page, not the file itself: download it by the link of the file"
	picture      = "a picture, and a model is wanted"
	byTensorFlow = "\"python -m tf2onnx.convert --saved-model FOLDER --output OUT.onnx\" makes an ONNX file of a model that TensorFlow saved"
)

// isTorch reports whether a file is one of PyTorch's, by its first bytes, or else by its name. The error says what a file is that is no model that is
// read; one that cannot be opened is left to what opens it.
func isTorch(path string) (bool, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() && isThere(filepath.Join(path, "saved_model.pb")) {
		return false, errors.New("a folder of TensorFlow's; " + byTensorFlow)
	}
	if err != nil || !info.Mode().IsRegular() {
		return torch.Is(path), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return torch.Is(path), nil
	}
	defer f.Close()
	head := make([]byte, 64)
	n, err := io.ReadFull(f, head)
	if err == io.EOF {
		return false, errors.New("the file is empty")
	}
	text := string(head[:n])
	for _, o := range others {
		if n > o.at && strings.HasPrefix(text[o.at:], o.magic) {
			return false, errors.New(o.what)
		}
	}
	switch {
	case strings.HasPrefix(text, "PK\x03\x04"), n > 1 && text[0] == 0x80 && text[1] <= 5, n > 8 && text[4:9] == "\x00\x00\x00\x00{": // zip, pickle, safetensors
		return true, nil
	case n > 1 && text[0] == 0x08 && text[1] < 0x20: // the version of the format, with which ONNX files begin
		return false, nil
	}
	return torch.Is(path), nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
