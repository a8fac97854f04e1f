package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/finetune/eval"
	"github.com/gansr/gansr/upscale"
)

func (a *app) eval() *cobra.Command {
	var (
		o      eval.Options
		facts  factsFlag
		lpips  []string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:                   "eval MODEL|bicubic --hr DIR [--lr DIR] [--scale N] [--json]",
		DisableFlagsInUseLine: true,
		Short:                 "Measure how near a model comes to photos",
		Long: `eval enlarges reduced photos and compares the results with the photos: PSNR of luminance (BT.601 in
studio range) in dB, SSIM of luminance, and PSNR of RGB, without as many pixels at the edges as
the scale, for each photo and as means. "bicubic" is MATLAB's interpolation, for comparison.

Reduced photos are those of --lr with the same names (an ending _LR or x4 may differ), or else
made as MATLAB's imresize makes them. --lr may be the folder of --hr if names end in _LR and _HR.
--lpips adds the perceptual distance LPIPS, which is lower the more people find two pictures alike:
the files are torchvision's AlexNet and the heads of the package lpips (weights/v0.1/alex.pth).
--json prints one object a line: name, psnr_y, ssim_y, psnr_rgb, lpips. The last is named "mean".`,
		Example:           "  gansr eval compact-x4 --hr photos\n  gansr eval bicubic --hr Set5/HR --lr Set5/LR --scale 4 --json",
		Args:              args(1, 1, "MODEL"),
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.HR == "" {
				return usageError{errors.New("--hr is missing: the folder of photos to compare with")}
			}
			if cmd.Flags().Changed("scale") && (o.Scale < 1 || o.Scale > 16) {
				return usageError{fmt.Errorf("--scale %d is not from 1 to 16", o.Scale)}
			}
			workers := a.workers()
			defer workers.Close()
			if len(lpips) > 0 {
				var err error
				if o.LPIPS, err = eval.OpenLPIPS(lpips, workers); err != nil {
					return err
				}
			}
			enlarge := eval.Bicubic(o.Scale)
			if args[0] == "bicubic" {
				if o.Scale == 0 {
					return usageError{errors.New("--scale is missing, which bicubic needs")}
				}
			} else {
				file, err := openModel(args[0])
				if err != nil {
					return err
				}
				g, err := upscale.NewModel(cmd.Context(), file, workers, facts)
				if err != nil {
					return err
				}
				if enlarge, o.Scale, err = eval.Generator(g, upscale.Options{Scale: o.Scale, Threads: a.threads}); err != nil {
					return err
				}
			}
			say := func(f eval.Figures) error {
				if asJSON {
					return json.NewEncoder(a.stdout).Encode(f)
				}
				line := fmt.Sprintf("%8.3f %8.4f %8.3f", f.PSNRY, f.SSIM, f.PSNRRGB)
				if o.LPIPS != nil {
					line += fmt.Sprintf(" %8.4f", f.LPIPS)
				}
				_, err := fmt.Fprintln(a.stdout, line+"  "+f.Name)
				return err
			}
			if !asJSON {
				head := "  PSNR Y   SSIM Y PSNR RGB"
				if o.LPIPS != nil {
					head += "    LPIPS"
				}
				if _, err := fmt.Fprintln(a.stdout, head+"  photo"); err != nil {
					return err
				}
			}
			mean, err := eval.Run(cmd.Context(), enlarge, o, say)
			if err != nil {
				return err
			}
			return say(mean)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.HR, "hr", "", "folder of the photos to compare with")
	f.StringVar(&o.LR, "lr", "", "folder of the reduced photos (default: they are made)")
	f.IntVar(&o.Scale, "scale", 0, "enlargement (default: the model's)")
	f.StringSliceVar(&lpips, "lpips", nil, "files of LPIPS over AlexNet, to measure that too")
	f.BoolVar(&asJSON, "json", false, "print a JSON object a line")
	facts.register(cmd)
	return cmd
}
