package watch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"time"
)

// Events is an event file of TensorBoard: records in the framing of TFRecord, each a message tensorflow.Event
// (tensorflow/core/util/event.proto). Its fields are written here by their numbers.
type Events struct {
	f *os.File
	w *bufio.Writer
}

// CreateEvents makes a new event file in dir, which TensorBoard reads together with those that are there. If step is
// positive the run was resumed after that step: TensorBoard then drops later figures of the files before.
func CreateEvents(dir string, step int64) (*Events, error) {
	now := time.Now()
	f, err := newEventFile(dir, now)
	if err != nil {
		return nil, fmt.Errorf("event file: %w", err)
	}
	e := &Events{f, bufio.NewWriter(f)}
	err = e.event(now, 0, 3, []byte("brain.Event:2")) // file_version
	if err == nil && step > 0 {
		err = e.event(now, step+1, 7, appendVarint(nil, 1, 1)) // session_log: START
	}
	if err == nil {
		err = e.Flush()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return e, nil
}

// newEventFile gives the file a name that TensorBoard knows and that sorts after those before.
func newEventFile(dir string, now time.Time) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("events.out.tfevents.%010d.%03d.gansr", now.Unix(), n)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !os.IsExist(err) || n == 999 {
			return f, err
		}
	}
}

// Scalars adds the figures of a step.
func (e *Events) Scalars(r Record) error {
	var summary []byte
	for _, s := range r.Scalars {
		value := appendBytes(nil, 1, []byte(s.Name))                                                              // tag
		value = binary.LittleEndian.AppendUint32(append(value, 2<<3|fixed32), math.Float32bits(float32(s.Value))) // simple_value
		value = appendBytes(value, 9, appendBytes(nil, 1, appendBytes(nil, 1, []byte("scalars"))))                // metadata.plugin_data.plugin_name
		summary = appendBytes(summary, 1, value)
	}
	return e.event(r.Time, r.Step, 5, summary)
}

// Image adds a picture to a step, as PNG.
func (e *Events) Image(step int64, at time.Time, name string, img image.Image) error {
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		return fmt.Errorf("event file: %s: %w", name, err)
	}
	size := img.Bounds().Size()
	picture := appendVarint(nil, 1, uint64(size.Y)) // height
	picture = appendVarint(picture, 2, uint64(size.X))
	picture = appendVarint(picture, 3, 3) // colorspace: RGB
	picture = appendBytes(picture, 4, file.Bytes())
	value := appendBytes(nil, 1, []byte(name))
	value = appendBytes(value, 4, picture)
	return e.event(at, step, 5, appendBytes(nil, 1, value))
}

// Flush hands what was added to the operating system.
func (e *Events) Flush() error {
	if err := e.w.Flush(); err != nil {
		return fmt.Errorf("event file: %w", err)
	}
	return nil
}

// Close flushes and closes the file.
func (e *Events) Close() error {
	err := e.Flush()
	if closing := e.f.Close(); err == nil && closing != nil {
		err = fmt.Errorf("event file: %w", closing)
	}
	return err
}

// event writes an Event with one message or text in the given field.
func (e *Events) event(at time.Time, step int64, field int, content []byte) error {
	seconds := float64(at.UnixMicro()) / 1e6
	event := binary.LittleEndian.AppendUint64([]byte{1<<3 | fixed64}, math.Float64bits(seconds)) // wall_time
	event = appendVarint(event, 2, uint64(step))
	event = appendBytes(event, field, content)

	record := binary.LittleEndian.AppendUint64(nil, uint64(len(event)))
	record = binary.LittleEndian.AppendUint32(record, maskedCRC(record))
	record = append(record, event...)
	record = binary.LittleEndian.AppendUint32(record, maskedCRC(event))
	if _, err := e.w.Write(record); err != nil {
		return fmt.Errorf("event file: %w", err)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is the checksum of TFRecord: CRC-32C, rotated and shifted so that checksums of checksums stay useful.
func maskedCRC(b []byte) uint32 {
	crc := crc32.Checksum(b, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// Wire types of protobuf.
const (
	varint  = 0
	fixed64 = 1
	length  = 2
	fixed32 = 5
)

func appendVarint(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(append(b, byte(field<<3|varint)), v)
}

func appendBytes(b []byte, field int, content []byte) []byte {
	b = binary.AppendUvarint(append(b, byte(field<<3|length)), uint64(len(content)))
	return append(b, content...)
}
