/** `plumbline models bench`: what a model costs on this machine. */
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { PRECISIONS, type Precision } from '../inference/catalogue/precision.js'
import type { BenchmarkUnit } from '../inference/local/bench-work.js'
import type { BenchmarkRow } from '../inference/local/benchmark.js'
import { defineCommand } from './command.js'
import { type Column, formatBytes, formatDuration, formatMs, table } from './format.js'
import { BYTES_PER_GIB, catalogueOptions, dataDirOf, modelNamed } from './model-options.js'
import { badArgument, list, number, readNumber, text } from './option.js'
import { bar, Progress } from './progress.js'

/** A command, a sentence, a long sentence, and the window that long recordings are cut into. */
const DEFAULT_SECONDS = [2, 5, 10, 30]
const SECONDS_LIMITS = { min: 0.1, max: 60 }
/** A phrase, a sentence, a paragraph. */
const DEFAULT_CHARACTERS = [20, 100, 400]
const CHARACTERS_LIMITS = { integer: true, min: 1, max: 20_000 }
const THREAD_LIMITS = { integer: true, min: 1, max: 256 }
const DEFAULT_RUNS = 7
const BAR_WIDTH = 24

export const modelsBenchCommand = defineCommand({
  path: 'models bench',
  group: 'models',
  summary: 'Measure what a model costs on this machine',
  description: [
    'Loads it in a process of its own for each precision and number of threads, and calls it with sounds or texts of ' +
      'several lengths, or with an image. The real-time factor is the time of a call over the length of the sound that it ' +
      'hears or speaks: below 1 it keeps up with speech.',
  ],
  positionals: {
    model: text({ summary: 'Name in the catalogue, or a model directory', required: true }),
  },
  options: {
    precision: list<Precision>({
      summary: 'Weights as they are, or on eight bits',
      choices: PRECISIONS,
      defaultText: PRECISIONS.join(),
    }),
    threads: list({
      summary: 'Processor threads to try',
      placeholder: 'n,...',
      defaultText: '1 and all',
      check: (item) => readNumber(item, 'an item', THREAD_LIMITS),
    }),
    seconds: list({
      summary: 'Lengths of sound to try',
      placeholder: 's,...',
      defaultText: DEFAULT_SECONDS.join(),
      check: (item) => readNumber(item, 'an item', SECONDS_LIMITS),
    }),
    characters: list({
      summary: 'Lengths of text to try, for voices and models of texts',
      placeholder: 'n,...',
      defaultText: DEFAULT_CHARACTERS.join(),
      check: (item) => readNumber(item, 'an item', CHARACTERS_LIMITS),
    }),
    runs: number({
      summary: 'Calls of each length that count',
      placeholder: 'n',
      integer: true,
      min: 1,
      max: 10_000,
      default: DEFAULT_RUNS,
    }),
    memory: number({
      summary: 'Most memory that the model may take',
      placeholder: 'GiB',
      above: 0,
      defaultText: 'what is free',
    }),
    ...catalogueOptions,
  },
  examples: [
    ['models bench mms-1b-all', 'Both precisions, one thread and all'],
    ['models bench ./wav2vec2 --precision int8 --seconds 5 --runs 100', 'A p99 worth the name'],
  ],
  run: async (args, io) => {
    const { Catalogue } = await import('../inference/catalogue/catalogue.js')
    const { benchmark } = await import('../inference/local/benchmark.js')
    const { workOf } = await import('../inference/local/bench-work.js')
    const { hasInt8 } = await import('../inference/catalogue/card.js')
    const card = await modelNamed(args.model, await Catalogue.open(dataDirOf(args, io)))
    const work = await workOf(card)
    const plan = {
      precisions: args.precision ?? PRECISIONS.filter((each) => each !== 'int8' || hasInt8(card)),
      threads: args.threads?.map(Number) ?? [...new Set([1, availableParallelism()])],
      sizes: sizesOf(work.unit, args),
      runs: args.runs,
      ...(args.memory === undefined ? {} : { memoryBytes: Math.round(args.memory * BYTES_PER_GIB) }),
    }
    const progress = new Progress(io.stderr, io.env, !io.output.isJson)
    const total = plan.precisions.length * plan.threads.length * plan.sizes.length
    let done = 0
    progress.live(
      (elapsedMs) =>
        `${bar(done / total, BAR_WIDTH)} ${done} of ${total}, ${formatDuration(elapsedMs)}, ${card.name}`,
    )
    const machine = {
      processor: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      /** Others' work at the beginning: above the cores' number, times say little. */
      loadAverage: loadavg()[0] ?? 0,
    }
    try {
      const rows = await benchmark(
        card,
        work,
        plan,
        (row) => {
          done++
          io.output.event('measured', row)
        },
        io.signal,
      )
      progress.stop()
      const { name, task, architecture, fileBytes } = card
      const result = { model: name, task, architecture, fileBytes, machine, runs: plan.runs, rows }
      io.output.result(result, () => {
        const busy = machine.loadAverage > machine.cores / 2
        return [
          `${name} (${formatBytes(fileBytes)}) on ${machine.cores} x ${machine.processor}, ${plan.runs} calls each`,
          table(rows, columnsOf(work.unit)),
          ...(busy
            ? [`The machine was busy (load ${machine.loadAverage.toFixed(1)}): idle, it is faster.`]
            : []),
        ].join('\n')
      })
      return 0
    } finally {
      progress.stop()
    }
  },
})

/** @throws UserError for sizes that are not this model's */
function sizesOf(
  unit: BenchmarkUnit,
  { seconds, characters }: { readonly seconds: Sizes; readonly characters: Sizes },
): readonly number[] {
  if (unit !== 'seconds' && seconds !== undefined)
    throw badArgument('--seconds is for a model that hears', 'leave it out')
  if (unit !== 'characters' && characters !== undefined)
    throw badArgument('--characters is for a voice or a model of texts', 'leave it out')
  if (unit === 'seconds') return seconds?.map(Number) ?? DEFAULT_SECONDS
  return unit === 'characters' ? (characters?.map(Number) ?? DEFAULT_CHARACTERS) : [1]
}

type Sizes = readonly string[] | undefined

const INPUTS: Readonly<Record<BenchmarkUnit, readonly [title: string, unit: string]>> = {
  seconds: ['sound', ' s'],
  characters: ['text', ' chars'],
  images: ['images', ''],
}

const right = 'right' as const

function columnsOf(unit: BenchmarkUnit): readonly Column<BenchmarkRow>[] {
  const [title, suffix] = INPUTS[unit]
  return [
    { title: 'precision', value: ({ precision }) => precision },
    { title: 'threads', align: right, value: ({ threads }) => String(threads) },
    { title, align: right, value: ({ size }) => `${size}${suffix}` },
    { title: 'p50', align: right, value: ({ p50Ms }) => formatMs(p50Ms) },
    { title: 'p99', align: right, value: ({ p99Ms }) => formatMs(p99Ms) },
    ...(unit === 'images' ? [] : [REAL_TIME]),
    { title: 'load', align: right, value: ({ loadMs }) => formatDuration(loadMs) },
    { title: 'memory', align: right, value: ({ memoryBytes }) => formatBytes(memoryBytes) },
  ]
}

/** Of what makes or hears sound. */
const REAL_TIME: Column<BenchmarkRow> = {
  title: 'real time',
  align: right,
  value: ({ realTimeFactor }) => realTimeFactor?.toFixed(3) ?? '-',
}
