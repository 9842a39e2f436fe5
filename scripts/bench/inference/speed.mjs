/** float32, int8 and PyTorch's forward of the same weights, by turns. */
import { fileURLToPath } from 'node:url'
import { judge, medianTime, openTorch, timed } from '../support/side-by-side.mjs'

const { SpeechModel } = await import('../../../src/models/wav2vec2/model.ts')

const TARGETS = { floatOverTorch: 1, int8OverFloat: 0.65, distance: 1e-3 }
const SAMPLE_RATE = 16_000

/** |a - b| over |a|, of vectors. */
function distance(a, b) {
  const size = (values) => Math.sqrt(values.reduce((total, value) => total + value ** 2, 0))
  return size(Array.from(a, (value, i) => value - b[i])) / size(Array.from(a))
}

/**
 * The greatest class of each frame after the mean over frames is taken from each class: random weights favour one
 * class throughout, which any rounding keeps.
 */
function letters({ data, shape }, means) {
  const [, frames, classes] = shape
  return Array.from({ length: frames }, (_, frame) => {
    let best = 0
    const above = (i) => data[frame * classes + i] - means[i]
    for (let i = 1; i < classes; i++) if (above(i) > above(best)) best = i
    return best
  })
}

function classMeans({ data, shape }) {
  const [, frames, classes] = shape
  const means = new Float64Array(classes)
  data.forEach((value, i) => {
    means[i % classes] += value / frames
  })
  return means
}

export async function speed(directory, { seconds, runs, threads }) {
  const samples = Math.round(seconds * SAMPLE_RATE)
  const float = await SpeechModel.open(directory, { threads })
  const int8 = await SpeechModel.open(directory, { threads, int8: true })
  const script = fileURLToPath(new URL('torch_forward.py', import.meta.url))
  const torch = await openTorch(script, [directory, String(samples), String(threads)], threads)
  try {
    // As torch_forward.py computes it, to the bit.
    const sound = Float32Array.from({ length: samples }, (_, i) =>
      Math.sin(Math.fround(Math.fround(i) ** 2) * Math.fround(1e-6)),
    )
    const batch = float.prepare([sound])
    const exact = await float.run(batch)
    const rounded = await int8.run(batch)
    const ours = (model) => async () => timed(() => model.run(batch))
    const contestants = { float: ours(float), int8: ours(int8), ...(torch && { torch: torch.run }) }
    const times = { float: [], int8: [], torch: [] }
    for (let run = 0; run < runs; run++)
      for (const [name, contestant] of Object.entries(contestants)) {
        const { ms, processorMs } = await contestant()
        times[name].push({ ms, processorMs })
      }
    const [floatTime, int8Time, torchTime] = [times.float, times.int8, times.torch].map(medianTime)
    const ratio = (a, b) => (threads === 1 ? a.processorMs / b.processorMs : a.ms / b.ms)
    const classes = exact.logits.shape[2]
    const firstClass = exact.logits.data.filter((_, i) => i % classes === 0)
    const means = classMeans(exact.logits)
    const [before, after] = [exact, rounded].map(({ logits }) => letters(logits, means))
    const fromTorch = torch && distance(torch.logits, firstClass)
    return {
      seconds,
      threads,
      runs,
      float: floatTime,
      int8: int8Time,
      torch: torch && {
        version: torch.version,
        gemmGflops: torch.gemmGflops,
        yardstick: torch.isYardstick,
        ...torchTime,
      },
      realTimeFactors: { float: floatTime.ms / (1000 * seconds), int8: int8Time.ms / (1000 * seconds) },
      int8Changes: {
        logitsDistance: distance(exact.logits.data, rounded.logits.data),
        sameLetters: before.filter((letter, i) => letter === after[i]).length / before.length,
        frames: before.length,
        differentLetters: new Set(before).size,
      },
      rows: [
        judge("fp32: distance of its logits from torch's", fromTorch, TARGETS.distance),
        judge(
          'fp32 over torch',
          torch?.isYardstick ? ratio(floatTime, torchTime) : undefined,
          TARGETS.floatOverTorch,
        ),
        judge('int8 over fp32', ratio(int8Time, floatTime), TARGETS.int8OverFloat),
      ],
    }
  } finally {
    torch?.close()
    await float.close()
    await int8.close()
  }
}
