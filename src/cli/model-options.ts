/** What the commands that run a model share: which model, which recording, how much of the machine. */
import { DEFAULT_DATA_DIR, dataPaths, expandPath } from '../config/paths.js'
import { UserError } from '../errors.js'
import type { EmbedInput, ModelCard, Task } from '../inference/catalogue/card.js'
import type { Catalogue } from '../inference/catalogue/catalogue.js'
import type { SoundInput } from '../inference/job.js'
import type { EmbeddingOptions } from '../inference/local/embedding-service.js'
import type { LocalModel } from '../inference/local/local-model.js'
import type { Sound } from '../inference/local/sound.js'
import type { Told } from '../inference/local/told.js'
import type { FusionOptions } from '../models/ctc/fusion.js'
import { buyOptions } from './buy-options.js'
import { configOptions } from './command.js'
import type { CommandIo } from './io.js'
import { flag, number, text } from './option.js'
import { Progress } from './progress.js'
import { type Counted, showRun } from './run-progress.js'
import { type ConfigArguments, loadSettings } from './settings.js'

export const BYTES_PER_GIB = 2 ** 30

export const catalogueOptions = { 'data-dir': configOptions['data-dir'] } as const

export const localOptions = {
  model: text({
    summary: 'Model of the catalogue, or the directory of one; of the network its name or hash',
    placeholder: 'name|directory',
    completes: 'file',
    defaultText:
      'here the only one that was added for this task, ours where none was; of the network the cheapest that is known here',
  }),
  local: flag('Run it on this machine instead of buying it from the network'),
  threads: number({
    summary: 'Processor threads to use',
    placeholder: 'n',
    integer: true,
    min: 1,
    max: 256,
    defaultText: 'all',
  }),
  int8: flag('Eight-bit weights: faster, a little less exact'),
  memory: number({
    summary: 'Most memory that the model may take',
    placeholder: 'GiB',
    above: 0,
    defaultText: 'inference.localMemoryGiB, else what it needs and some to spare',
  }),
  ...buyOptions,
} as const

export interface LocalArguments extends ConfigArguments {
  readonly model: string | undefined
  readonly local: boolean
  readonly threads: number | undefined
  readonly int8: boolean
  readonly memory: number | undefined
}

export const dataDirOf = (args: { readonly dataDir: string | undefined }, io: CommandIo): string =>
  dataPaths(args.dataDir ?? io.env.PLUMBLINE_DATA_DIR ?? DEFAULT_DATA_DIR).dataDir

/**
 * The model that was named, or the only one for the task.
 * @param input for the task `embed`: a model for anything else may do that, too
 * @throws UserError with what there is
 */
export async function chooseModel(
  args: LocalArguments,
  task: Task,
  io: CommandIo,
  input?: EmbedInput,
): Promise<ModelCard> {
  const { Catalogue } = await import('../inference/catalogue/catalogue.js')
  const { embedsFrom } = await import('../inference/catalogue/card.js')
  const catalogue = await Catalogue.open(dataDirOf(args, io))
  const suits = (card: ModelCard): boolean =>
    input === undefined ? card.task === task : embedsFrom(card) === input
  const what = input === undefined ? task : `${task} ${input}s`
  const card = await named(args.model)
  if (!suits(card))
    throw new UserError(`${card.name} does not ${what}: it is a model to ${whatFor(card)}`, {
      code: 'BAD_ARGUMENT',
      remedy:
        input === undefined ? `use "plumbline ${card.task}", or another --model` : 'use another --model',
      exitStatus: 2,
    })
  return card

  function whatFor(card: ModelCard): string {
    return card.task === 'embed' ? `embed ${embedsFrom(card)}s` : card.task
  }

  async function named(model: string | undefined): Promise<ModelCard> {
    if (model !== undefined) return modelNamed(model, catalogue)
    const all = catalogue.list().filter(suits)
    const added = all.filter(({ name }) => !catalogue.isBuiltIn(name))
    // Who added a model of their own wants that one.
    const fitting = added.length > 0 ? added : all
    const [only] = fitting
    if (only !== undefined && fitting.length === 1) return only
    throw new UserError(
      only === undefined ? `there is no model to ${what}` : `there are ${fitting.length} models to ${what}`,
      {
        code: 'NOT_FOUND',
        remedy:
          only === undefined
            ? 'add one: plumbline models add <directory>'
            : `name one with --model: ${fitting.map(({ name }) => name).join(', ')}`,
        exitStatus: 2,
      },
    )
  }
}

/** One of the catalogue, or what a directory holds. @throws UserError NOT_FOUND, BAD_CONFIG */
export async function modelNamed(model: string, catalogue: Catalogue): Promise<ModelCard> {
  if (!/[/\\]|^\.+$/.test(model)) return catalogue.get(model)
  const { readCard } = await import('../inference/catalogue/card.js')
  return readCard(expandPath(model))
}

/** The same for the network: sixteen-bit samples at the recording's own rate. */
export async function soundInput({ samples, sampleRate }: Sound): Promise<SoundInput> {
  const { pcm16Of } = await import('../ml/audio/pcm16.js')
  return { kind: 'sound', sampleRate, pcm16: pcm16Of(samples) }
}

/** Reads a recording, mixed down to one channel. @throws UserError for what is none */
export async function readSound(path: string): Promise<Sound & { readonly seconds: number }> {
  const { readAudioFile } = await import('../ml/audio/decode.js')
  const { toMono } = await import('../ml/audio/audio.js')
  const audio = await readAudioFile(expandPath(path))
  const samples = toMono(audio)
  return { samples, sampleRate: audio.sampleRate, seconds: samples.length / audio.sampleRate }
}

/** What models that run here may take, bytes, where a flag or the configuration says. */
export async function localMemory(
  args: ConfigArguments & { readonly memory: number | undefined },
  io: CommandIo,
): Promise<number | undefined> {
  const gib = args.memory ?? (await loadSettings(args, io)).config.inference.localMemoryGiB
  return gib === undefined ? undefined : Math.round(gib * BYTES_PER_GIB)
}

/** Opens the model, runs it with a live line (which `run` may replace), and ends it, whatever happens. */
export async function runLocal<T>(
  args: LocalArguments & {
    readonly language?: string | undefined
    readonly languageModel?: FusionOptions | null | undefined
    readonly embedding?: EmbeddingOptions
    readonly counted?: Counted
  },
  card: ModelCard,
  io: CommandIo,
  run: (model: LocalModel, told: Told, progress: Progress) => Promise<T>,
): Promise<{ readonly value: T; readonly loadMs: number; readonly runMs: number }> {
  const { LocalModel } = await import('../inference/local/local-model.js')
  const memoryBytes = await localMemory(args, io)
  const progress = new Progress(io.stderr, io.env, !io.output.isJson)
  const started = performance.now()
  progress.live((elapsedMs) => `loading ${card.name}, ${(elapsedMs / 1000).toFixed(1)} s`)
  try {
    const model = await LocalModel.open(card, {
      ...(args.int8 ? { int8: true } : {}),
      ...(args.threads === undefined ? {} : { threads: args.threads }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(args.language === undefined ? {} : { language: args.language }),
      ...(args.languageModel === undefined ? {} : { languageModel: args.languageModel }),
      ...(args.embedding === undefined ? {} : { embedding: args.embedding }),
    })
    const loaded = performance.now()
    const told = showRun(progress, io, card.name, args.counted ?? 's')
    try {
      const value = await run(model, told, progress)
      return { value, loadMs: loaded - started, runMs: performance.now() - loaded }
    } finally {
      await model.close()
    }
  } finally {
    progress.stop()
  }
}
