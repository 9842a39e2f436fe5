#!/usr/bin/env node
/**
 * `npm run bench -- train-step [--rounds 15] [--only d128|d256] [--json]`: forward, backward and AdamW of a
 * decoder-only language model, in this engine on one thread and on two, and in PyTorch on one thread where
 * /usr/bin/python3 has torch. All start from the same weights, train on the same batch and take turns, a step at a
 * time, so that what else the machine does falls on all. Their losses must agree at every step, which covers forward,
 * backward and update, or the run fails. Ratios are of medians of one run: on one thread in processor time (a busy
 * machine stretches the clock, the work hardly), on two by the clock, which says nothing while others hold the cores:
 * it is judged only where PyTorch's one thread hardly waited. PyTorch is a yardstick only where its matrix products
 * run on an optimised BLAS (Debian: libopenblas0-pthread). Exit status 1 where a target is missed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { judge, judgedLine, medianTime, openTorch, timed, timeText } from './support/side-by-side.mjs'
import { languageModel } from './train-step/language-model.mjs'

const { Trainer } = await import('../../src/ml/train/index.ts')

/** Ours over torch on one thread; ours on two threads over torch on one. */
const TARGETS = { oneThread: 1.2, twoThreads: 0.75 }
const SIZES = {
  d128: { width: 128, layers: 4, heads: 4, time: 128, batch: 16, vocabulary: 256 },
  d256: { width: 256, layers: 4, heads: 4, time: 200, batch: 8, vocabulary: 256 },
}
const SETTINGS = { rate: 1e-3, weightDecay: 0.01 }
/** Not counted: buffers are allocated, code is compiled. */
const WARM_UP = 3
/** Two orders of summation part slowly over the steps; an error of ours in gradient or update parts them at once. */
const TOLERANCE = 2e-3
const SEED = 1
/** Clock over processor time of one thread: above this, others had its core, and two cores were not to be had. */
const MOST_WAITING = 1.1

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'train-step'),
  options: {
    rounds: { type: 'string', default: '15' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

/** Tokens that repeat enough to be learned: a loss that does not fall would agree too easily. */
function batchOf({ batch, time, vocabulary }) {
  const sequence = Array.from({ length: batch * time + 1 }, (_, i) =>
    BigInt((i * i + 7 * (i % 11)) % vocabulary),
  )
  const ids = (from) => ({
    dtype: 'int64',
    shape: [batch, time],
    data: BigInt64Array.from(sequence.slice(from, from + batch * time)),
  })
  return { tokens: ids(0), targets: ids(1) }
}

function openOurs(size, batch, threads) {
  return Trainer.open({
    model: languageModel(size),
    example: batch,
    rate: () => SETTINGS.rate,
    seed: SEED,
    adam: { weightDecay: SETTINGS.weightDecay },
    threads,
  })
}

/** The same weights and batch for PyTorch, in files. */
function openTheirs(directory, size, batch, { layout, parameters }) {
  const settings = join(directory, 'settings.json')
  const data = join(directory, 'data.bin')
  const entries = layout.entries.map(({ name, shape, offset, size: count }) => ({
    name,
    shape,
    offset,
    size: count,
  }))
  writeFileSync(settings, JSON.stringify({ ...size, ...SETTINGS, parameters: layout.size, layout: entries }))
  const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)
  writeFileSync(data, Buffer.concat([parameters, batch.tokens.data, batch.targets.data].map(bytesOf)))
  const script = fileURLToPath(new URL('train-step/torch_step.py', import.meta.url))
  return openTorch(script, [settings, data])
}

async function compare(name, size) {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-'))
  const batch = batchOf(size)
  const one = await openOurs(size, batch, 1)
  const two = await openOurs(size, batch, 2)
  let torch
  try {
    torch = await openTheirs(directory, size, batch, one)
    const ours = (trainer) => async () => {
      const { value, ...time } = await timed(() => trainer.step(batch))
      return { ...time, loss: value.loss }
    }
    const contestants = { one: ours(one), two: ours(two), ...(torch && { torch: torch.run }) }
    const times = Object.fromEntries(Object.keys(contestants).map((key) => [key, []]))
    let worst = 0
    const losses = []
    for (let round = -WARM_UP; round < Number(values.rounds); round++) {
      const results = {}
      for (const [key, run] of Object.entries(contestants)) results[key] = await run()
      for (const [key, result] of Object.entries(results)) {
        worst = Math.max(worst, Math.abs(result.loss / results.one.loss - 1))
        if (round >= 0) times[key].push(result)
      }
      losses.push(results.one.loss)
    }
    if (!(worst < TOLERANCE))
      throw new Error(`${name}: the losses differ by ${worst}: these are not the same model`)
    if (!(losses.at(-1) < losses[0])) throw new Error(`${name}: the loss does not fall`)
    const [ours1, ours2, theirs] = [times.one, times.two, times.torch ?? []].map(medianTime)
    const yardstick = torch?.isYardstick === true
    const waiting = theirs.ms / theirs.processorMs
    const twoToBeHad = yardstick && waiting <= MOST_WAITING
    return {
      name,
      ...size,
      parameters: one.layout.size,
      oneThread: ours1,
      twoThreads: ours2,
      torch: torch && { version: torch.version, gemmGflops: torch.gemmGflops, yardstick, ...theirs },
      firstLoss: losses[0],
      lastLoss: losses.at(-1),
      largestLossDifference: torch && worst,
      judged: [
        judge(
          `${name}: ours over torch, one thread each (processor)`,
          yardstick ? ours1.processorMs / theirs.processorMs : undefined,
          TARGETS.oneThread,
        ),
        judge(
          `${name}: ours on two threads over torch on one (clock)`,
          twoToBeHad ? ours2.ms / theirs.ms : undefined,
          TARGETS.twoThreads,
        ),
      ],
      clockRatios: yardstick
        ? { oneThread: ours1.ms / theirs.ms, twoThreads: ours2.ms / theirs.ms, waiting }
        : undefined,
    }
  } finally {
    torch?.close()
    await one.close()
    await two.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

const report = { rounds: Number(values.rounds), loadBefore: loadavg()[0], sizes: [] }
for (const [name, size] of Object.entries(SIZES))
  if (values.only === undefined || values.only === name) report.sizes.push(await compare(name, size))
report.loadAfter = loadavg()[0]

if (values.json) console.log(JSON.stringify(report, null, 2))
else {
  const lines = [
    `train-step, medians of ${report.rounds}; load of the machine ${report.loadBefore.toFixed(1)} before, ${report.loadAfter.toFixed(1)} after:`,
  ]
  for (const size of report.sizes) {
    const { torch } = size
    lines.push(
      `  ${size.name} L${size.layers} T${size.time} B${size.batch}, ${size.heads} heads, ${size.vocabulary} tokens, ${(size.parameters / 1e6).toFixed(2)} M parameters`,
      `    ours ${timeText(size.oneThread)}, on two threads ${timeText(size.twoThreads)}`,
      torch === undefined
        ? '    torch: skipped, /usr/bin/python3 has none (Debian: python3-torch)'
        : `    torch ${torch.version} ${timeText(torch)}, its BLAS at ${torch.gemmGflops.toFixed(0)} GFLOP/s${torch.yardstick ? '' : ': no yardstick, install libopenblas0-pthread'}`,
      `    loss ${size.firstLoss.toFixed(4)} -> ${size.lastLoss.toFixed(4)}${torch === undefined ? '' : `, the same in torch within ${size.largestLossDifference.toExponential(1)} at every step`}`,
      ...size.judged.map(judgedLine),
    )
    const { clockRatios } = size
    if (clockRatios?.waiting > MOST_WAITING)
      lines.push(
        `    others held the cores (one thread took ${clockRatios.waiting.toFixed(1)} times its processor time by the clock); clock ratios ${clockRatios.oneThread.toFixed(2)} and ${clockRatios.twoThreads.toFixed(2)} prove nothing`,
      )
  }
  console.log(lines.join('\n'))
}
process.exitCode = report.sizes.some(({ judged }) => judged.some(({ verdict }) => verdict === 'MISS')) ? 1 : 0
