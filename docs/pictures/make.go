//go:build ignore

// This program makes the pictures of the README: parts of the example photos enlarged by bicubic interpolation on the left and
// by the embedded generator on the right. Run it in the root of the repository: go run docs/pictures/make.go
package main

import (
	"context"
	"image"
	"log"

	"github.com/disintegration/imaging"

	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/upscale"
)

func main() {
	ctx := context.Background()
	m, err := models.Open("compact-x4")
	if err != nil {
		log.Fatal(err)
	}
	g, err := upscale.NewModel(ctx, m, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	u, err := upscale.New(g, upscale.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range []struct {
		photo string
		part  image.Rectangle
	}{
		{"coast.png", image.Rect(70, 60, 190, 150)},
		{"canyon.jpg", image.Rect(60, 50, 180, 140)},
	} {
		photo, err := imaging.Open("examples/photos/" + p.photo)
		if err != nil {
			log.Fatal(err)
		}
		large, err := u.Image(ctx, photo)
		if err != nil {
			log.Fatal(err)
		}
		size := large.Bounds().Size()
		bicubic := imaging.Resize(photo, size.X, size.Y, imaging.CatmullRom)
		part := image.Rectangle{p.part.Min.Mul(u.Scale()), p.part.Max.Mul(u.Scale())}
		both := imaging.New(2*part.Dx()+8, part.Dy(), image.White)
		both = imaging.Paste(both, imaging.Crop(bicubic, part), image.Point{})
		both = imaging.Paste(both, imaging.Crop(large, part), image.Pt(part.Dx()+8, 0))
		name := "docs/pictures/" + p.photo[:len(p.photo)-4] + ".jpg"
		if err := imaging.Save(both, name, imaging.JPEGQuality(92)); err != nil {
			log.Fatal(err)
		}
	}
}
