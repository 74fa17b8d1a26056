"""Speed and memory of each analysis in the shapes of real models, with random bf16 weights.

`python -m benchmarks.shapes [--shapes 1.1B ...] [--operations cna ...]` prints for each shape and operation, measured
in a process of its own:

- the seconds it takes, in forward passes of the same prompt and against the plain way of computing the same in the
  same process; where the plain way is long, a part of it runs and is scaled up;
- the multiplications and additions that it makes, and the share that this is of the fastest matrix product of this
  machine (float32) in the same seconds;
- the peak of its memory beside the loaded weights (on a GPU: of the GPU's);
- the largest difference of both results. The program ends with an error where they do not agree.
"""
