/** `plumbline speak`: text to a sound file. */
import { access, constants, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expandPath } from '../config/paths.js'
import type { LocalModel } from '../inference/local/local-model.js'
import type { SpeakOptions } from '../inference/local/speak-service.js'
import { boughtFields, buy, ONE_BUYER } from './buy-options.js'
import { defineCommand } from './command.js'
import { plural, printable } from './format.js'
import type { CommandIo } from './io.js'
import { chooseModel, localOptions, runLocal } from './model-options.js'
import { badArgument, number, text } from './option.js'
import { requirePlace } from './place-options.js'
import { bar, type Progress } from './progress.js'
import { textToSpeak } from './speak-text.js'

// A voice is convolutions, which stay in float32: eight-bit weights would change nothing.
const { int8: _, ...voiceOptions } = localOptions

/** Noise far beyond what a voice was trained with is no speech. */
const MOST_NOISE = 4
const BAR_WIDTH = 24
const asPublished = 'as the voice was published'

export const speakCommand = defineCommand({
  path: 'speak',
  group: 'models',
  summary: 'Turn text into speech, as a WAV file',
  description: [
    'Speaks with a VITS voice, such as the MMS-TTS ones. Long text is spoken sentence by sentence. The same text, voice ' +
      'and seed give the same sound.',
    "A voice speaks what its alphabet has: spell numbers out; what is left out is told. Where a voice's files ask for " +
      'romanised text (uroman), romanise it first.',
    ONE_BUYER,
  ],
  positionals: {
    text: text({
      summary: 'What to say; "-" or nothing reads standard input',
      defaultText: 'standard input',
    }),
  },
  options: {
    out: text({ summary: 'The WAV file to write', placeholder: 'file', completes: 'file', required: true }),
    speaker: number({
      summary: 'Who speaks, where the voice has several',
      placeholder: 'n',
      integer: true,
      min: 0,
      max: 100_000,
      default: 0,
    }),
    rate: number({
      summary: 'How fast: 2 is twice as fast as the voice was trained',
      placeholder: 'factor',
      min: 0.25,
      max: 4,
      defaultText: asPublished,
    }),
    seed: number({
      summary: 'Another one speaks a little differently',
      placeholder: 'n',
      integer: true,
      min: 0,
      max: 0xffff_ffff,
      default: 0,
    }),
    noise: number({
      summary: 'How much the sound varies; 0 is flat',
      placeholder: 'scale',
      min: 0,
      max: MOST_NOISE,
      defaultText: asPublished,
    }),
    'duration-noise': number({
      summary: 'How much the rhythm varies; 0 is even',
      placeholder: 'scale',
      min: 0,
      max: MOST_NOISE,
      defaultText: asPublished,
    }),
    ...voiceOptions,
  },
  examples: [
    ['speak "the link is up again" --local --out up.wav', 'With the only voice of the catalogue'],
    ['speak --local --model mms-tts-deu --rate 0.9 --out a.wav < a.txt', 'A page, a little slower'],
  ],
  run: async (args, io) => {
    requirePlace(args)
    const out = expandPath(args.out)
    if (!args.local) return speakThere(args, out, io)
    const card = await chooseModel({ ...args, int8: false }, 'speak', io)
    await checkWritable(out)
    const words = await textToSpeak(args.text, io)
    const { speaker, seed } = args
    const how: SpeakOptions = {
      speaker,
      seed,
      ...(args.rate === undefined ? {} : { speakingRate: args.rate }),
      ...(args.noise === undefined ? {} : { noiseScale: args.noise }),
      ...(args.durationNoise === undefined ? {} : { durationNoiseScale: args.durationNoise }),
    }
    const { value, loadMs, runMs } = await runLocal(
      { ...args, int8: false },
      card,
      io,
      (model, _told, progress) => speakAll(model, words, how, io, progress),
    )
    const { writeWav } = await import('../ml/audio/wav-write.js')
    const { sampleRate, samples, pieces, leftOut } = value
    await writeFile(out, writeWav({ sampleRate, channels: [samples] }))
    const durationSeconds = samples.length / sampleRate
    const realTimeFactor = runMs / 1000 / durationSeconds
    if (leftOut.length > 0)
      io.output.warn(`not spoken, because the voice's alphabet lacks them: ${leftOut.join(' ')}`)
    io.output.note(licenceNote(card.licence))
    const result = {
      model: card.name,
      out,
      durationSeconds,
      sampleRate,
      pieces,
      leftOut,
      speaker,
      seed,
      licence: card.licence,
      loadMs: Math.round(loadMs),
      runMs: Math.round(runMs),
      realTimeFactor,
    }
    io.output.result(
      result,
      () =>
        `Wrote ${printable(out)}: ${durationSeconds.toFixed(1)} s of speech in ${plural(pieces, 'piece')}, ` +
        `made in ${(runMs / 1000).toFixed(1)} s (real-time factor ${realTimeFactor.toFixed(2)})`,
    )
    return 0
  },
})

/** Bought; a provider speaks with the voice's own noise, as its first speaker. */
async function speakThere(
  args: Parameters<typeof buy>[0] & {
    readonly text: string | undefined
    readonly rate: number | undefined
    readonly speaker: number
    readonly seed: number
    readonly noise: number | undefined
    readonly durationNoise: number | undefined
  },
  out: string,
  io: CommandIo,
): Promise<number> {
  const { speaker, seed, noise, durationNoise, rate } = args
  if (speaker !== 0 || seed !== 0 || noise !== undefined || durationNoise !== undefined)
    throw badArgument('speaker, seed and noise are chosen on this machine alone', 'add --local')
  await checkWritable(out)
  const words = await textToSpeak(args.text, io)
  const parameters = rate === undefined ? {} : { speed: rate }
  const bought = await buy(args, { task: 'speak', input: { kind: 'text', text: words }, parameters }, io)
  const { output } = bought.answer
  if (output.kind !== 'speech') throw new Error(`speech came as ${output.kind}`)
  const { writeWav } = await import('../ml/audio/wav-write.js')
  const { samplesOfPcm16 } = await import('../ml/audio/pcm16.js')
  const samples = samplesOfPcm16(output.pcm16)
  await writeFile(out, writeWav({ sampleRate: output.sampleRate, channels: [samples] }))
  const durationSeconds = samples.length / output.sampleRate
  const { licence } = bought.model
  io.output.note(licenceNote(licence))
  const result = { ...boughtFields(bought), out, durationSeconds, sampleRate: output.sampleRate, licence }
  io.output.result(result, () => `Wrote ${printable(out)}: ${durationSeconds.toFixed(1)} s of speech`)
  return 0
}

/** Before a minute of work, not after it. @throws UserError for a device, and what the system refuses */
async function checkWritable(path: string): Promise<void> {
  const there = await stat(path).catch(() => undefined)
  if (there === undefined) return access(dirname(path), constants.W_OK)
  // A terminal is a device: a sound file on it would be noise for the eyes.
  if (!there.isFile()) throw badArgument(`--out ${path} is no file`, 'name a WAV file to write')
  await access(path, constants.W_OK)
}

async function speakAll(
  model: LocalModel,
  words: string,
  how: SpeakOptions,
  io: CommandIo,
  progress: Progress,
) {
  const { pieces, sampleRate, leftOut } = await model.planSpeech(words, io.signal)
  const sounds: Float32Array[] = []
  let length = 0
  progress.live(
    () =>
      `${bar(sounds.length / pieces.length, BAR_WIDTH)} ${sounds.length} of ${plural(pieces.length, 'piece')}, ${(length / sampleRate).toFixed(1)} s of sound`,
  )
  for (const [index, piece] of pieces.entries()) {
    const sound = await model.speak({ piece, index, options: how }, io.signal)
    sounds.push(sound)
    length += sound.length
    io.output.event('piece', { index, pieces: pieces.length, seconds: sound.length / sampleRate })
  }
  const samples = new Float32Array(length)
  let at = 0
  for (const sound of sounds) {
    samples.set(sound, at)
    at += sound.length
  }
  return { samples, sampleRate, pieces: pieces.length, leftOut }
}

/** What may be done with the voice's work, as its files say. */
function licenceNote(licence: string | null): string {
  if (licence === null)
    return 'Licence of the voice: its files do not say; ask before you sell or publish its work.'
  const isNonCommercial = /\bnc\b|non-?commercial/i.test(licence)
  return `Licence of the voice: ${printable(licence)}${isNonCommercial ? ', not for commercial use' : ''}.`
}
