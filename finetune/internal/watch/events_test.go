package watch

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// events is what a reader finds in event files.
type events struct {
	Versions int
	Starts   []int64 // steps of session starts
	Scalars  map[string][][2]float64
	Images   map[string][]shown
}

type shown struct {
	step          int64
	height, width uint64
	img           image.Image
}

// crc32c computes the checksum bit by bit, by its definition (RFC 3720, appendix B.4).
func crc32c(b []byte) uint32 {
	crc := ^uint32(0)
	for _, v := range b {
		crc ^= uint32(v)
		for range 8 {
			crc = crc>>1 ^ 0x82f63b78&-(crc&1)
		}
	}
	return ^crc
}

// readEvents checks the framing of every record and reads the messages with protobuf's own wire package.
func readEvents(t *testing.T, dir string) events {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d event files, %v", len(files), err)
	}
	slices.Sort(files)
	ev := events{Scalars: map[string][][2]float64{}, Images: map[string][]shown{}}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			check := func(what string, content []byte, sum []byte) {
				crc := crc32c(content)
				if got := binary.LittleEndian.Uint32(sum); got != (crc>>15|crc<<17)+0xa282ead8 {
					t.Fatalf("%s: the checksum of the %s is wrong", name, what)
				}
			}
			check("length", b[:8], b[8:])
			n := binary.LittleEndian.Uint64(b)
			check("message", b[12:12+n], b[12+n:])
			ev.add(t, b[12:12+n])
			b = b[16+n:]
		}
	}
	return ev
}

// fields returns the fields of a message by number: integers as uint64, the rest as bytes.
func fields(t *testing.T, b []byte) map[protowire.Number][]any {
	t.Helper()
	m := map[protowire.Number][]any{}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		var v any
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var u uint32
			u, n = protowire.ConsumeFixed32(b)
			v = uint64(u)
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("wire type %d", typ)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		m[num] = append(m[num], v)
		b = b[n:]
	}
	return m
}

func (ev *events) add(t *testing.T, message []byte) {
	t.Helper()
	event := fields(t, message)
	if wall := math.Float64frombits(event[1][0].(uint64)); math.Abs(wall-float64(time.Now().Unix())) > 3600*24*365*100 {
		t.Errorf("wall time %g", wall)
	}
	step := int64(event[2][0].(uint64))
	for _, v := range event[3] {
		if string(v.([]byte)) == "brain.Event:2" {
			ev.Versions++
		}
	}
	for _, v := range event[7] {
		if fields(t, v.([]byte))[1][0].(uint64) == 1 {
			ev.Starts = append(ev.Starts, step)
		}
	}
	for _, summary := range event[5] {
		for _, v := range fields(t, summary.([]byte))[1] {
			value := fields(t, v.([]byte))
			tag := string(value[1][0].([]byte))
			if simple := value[2]; simple != nil {
				ev.Scalars[tag] = append(ev.Scalars[tag], [2]float64{float64(step), float64(math.Float32frombits(uint32(simple[0].(uint64))))})
			}
			for _, v := range value[4] {
				picture := fields(t, v.([]byte))
				img, err := png.Decode(bytes.NewReader(picture[4][0].([]byte)))
				if err != nil || picture[3][0].(uint64) != 3 {
					t.Fatalf("%s: %v", tag, err)
				}
				ev.Images[tag] = append(ev.Images[tag], shown{step, picture[1][0].(uint64), picture[2][0].(uint64), img})
			}
		}
	}
}

func red(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		copy(img.Pix[4*i:], []byte{200, 30, 10, 255})
	}
	return img
}

// record writes a run that was stopped after step 400 and resumed after step 200.
func record(t *testing.T, dir string) {
	t.Helper()
	at := time.Now()
	for _, part := range []struct{ from, to int64 }{{0, 400}, {200, 600}} {
		e, err := CreateEvents(dir, part.from)
		if err != nil {
			t.Fatal(err)
		}
		for step := part.from + 1; step <= part.to; step++ {
			at = at.Add(time.Millisecond)
			err := e.Scalars(Record{step, at, []Scalar{{"critic/loss", float64(step) / 4}, {"generator/content", -1e-3 * float64(step+part.from)}}})
			if err != nil {
				t.Fatal(err)
			}
			if step%200 == 0 {
				if err := e.Image(step, at, "LR|SR|HR", red(20, 10)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEvents(t *testing.T) {
	if crc := crc32c(make([]byte, 32)); crc != 0x8a9136aa { // RFC 3720
		t.Fatalf("the test's own checksum of 32 zeros: %#x", crc)
	}
	dir := t.TempDir()
	record(t, dir)
	ev := readEvents(t, dir)
	if ev.Versions != 2 || !slices.Equal(ev.Starts, []int64{201}) {
		t.Errorf("%d versions, starts %v", ev.Versions, ev.Starts)
	}
	loss, content := ev.Scalars["critic/loss"], ev.Scalars["generator/content"]
	if len(loss) != 800 || loss[299] != [2]float64{300, 75} || content[799] != [2]float64{600, float64(float32(-0.8))} {
		t.Errorf("%d losses, %v, %v", len(loss), loss[299], content[799])
	}
	images := ev.Images["LR|SR|HR"]
	if len(images) != 4 {
		t.Fatalf("%d images", len(images))
	}
	for i, s := range images {
		if s.step != []int64{200, 400, 400, 600}[i] || s.width != 20 || s.height != 10 || s.img.Bounds() != image.Rect(0, 0, 20, 10) ||
			color.NRGBAModel.Convert(s.img.At(3, 3)) != (color.NRGBA{200, 30, 10, 255}) {
			t.Errorf("image %d: step %d, %dx%d", i, s.step, s.width, s.height)
		}
	}
}

// TestTensorBoard reads the files with TensorBoard's own reader.
func TestTensorBoard(t *testing.T) {
	python := os.Getenv("GANSR_TENSORBOARD")
	if python == "" {
		t.Skip("GANSR_TENSORBOARD names no Python with the packages tensorboard and pillow")
	}
	dir := t.TempDir()
	record(t, dir)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], info.Size()-5); err != nil { // as a killed process leaves it
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/check_events.py", dir)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Scalars map[string][][2]float64
		Images  map[string][][]any
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	loss, content := got.Scalars["critic/loss"], got.Scalars["generator/content"]
	// Of steps 201 to 400 only those of the resumed run are left.
	if len(got.Scalars) != 2 || len(loss) != 600 || len(content) != 600 {
		t.Fatalf("%d curves, %d and %d points", len(got.Scalars), len(loss), len(content))
	}
	for i := range loss {
		step := float64(i + 1)
		want := -1e-3 * step
		if step > 200 {
			want = -1e-3 * (step + 200)
		}
		if loss[i] != [2]float64{step, step / 4} || content[i][0] != step || math.Abs(content[i][1]-want) > 1e-6 {
			t.Fatalf("point %d: %v, %v", i, loss[i], content[i])
		}
	}
	images, err := json.Marshal(got.Images)
	if err != nil || string(images) != `{"LR|SR|HR":[[200,20,10,true,[200,30,10]],[400,20,10,true,[200,30,10]],[600,20,10,true,[200,30,10]]]}` {
		t.Errorf("images: %s, %v", images, err)
	}
}
