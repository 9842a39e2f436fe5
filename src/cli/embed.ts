/** `plumbline embed`: a sound, an image or a text to a vector. */
import { expandPath } from '../config/paths.js'
import type { JobInput } from '../inference/job.js'
import type { Embedding } from '../inference/local/embedding-service.js'
import { boughtFields, buy, ONE_BUYER } from './buy-options.js'
import { defineCommand } from './command.js'
import { type Given, readGiven } from './embed-input.js'
import type { CommandIo } from './io.js'
import { chooseModel, localOptions, runLocal, soundInput } from './model-options.js'
import { badArgument, flag, number, text } from './option.js'
import { requirePlace } from './place-options.js'

/** Digits that tell every float32 from its neighbours. */
const FLOAT32_DIGITS = 9

export const embedCommand = defineCommand({
  path: 'embed',
  group: 'models',
  summary: 'Turn a recording, an image or a text into a vector',
  description: [
    'The vector is the mean of the hidden states of what was given: of the frames of a sound (wav2vec 2.0, XLS-R, ' +
      'MMS, HuBERT, data2vec), the tokens of a text, or the patches of an image (data2vec); for an image without ' +
      '--layer it is what the model itself pools them to, where the checkpoint has that. Any model of these ' +
      'families will do, recognisers too. Printed as JSON: one array, or with --frames one a line.',
    'A file is taken for what it holds: sound (wav, flac, ogg, opus, mp3), image (png, jpeg) or UTF-8 text. What ' +
      'names no file is the text itself. Long recordings and texts are worked off in pieces.',
    ONE_BUYER,
  ],
  positionals: { input: text({ summary: 'A file, or the text itself', completes: 'file', required: true }) },
  options: {
    layer: number({
      summary: 'Hidden state to take: 0 goes into the first block, N comes out of block N',
      placeholder: 'n',
      integer: true,
      min: 0,
      max: 1000,
      defaultText: "the model's output",
    }),
    frames: flag('A vector for each frame, token or patch instead of one for the whole'),
    normalise: flag('Scale each vector to length 1, so that a dot product is the cosine'),
    units: text({
      summary:
        'Print k-means units: the nearest of the centroids in this safetensors file, for each frame of a sound',
      completes: 'file',
    }),
    runs: flag('With --units: equal neighbours made one (with --json, unitFrames says how long each lasts)'),
    text: flag('Take the argument for a text even where a file is called so'),
    ...localOptions,
  },
  examples: [
    ['embed talk.flac --local --model hubert-base-ls960 --layer 9', 'The ninth layer, averaged over time'],
    ['embed "a sentence" --local --normalise', 'A text, with the only text model of the catalogue'],
    ['embed talk.flac --local --layer 9 --units km500.safetensors', 'Discrete units of HuBERT'],
  ],
  run: async (args, io) => {
    requirePlace(args)
    const { layer, frames, units, normalise, runs } = args
    if (units !== undefined && (frames || normalise))
      throw badArgument('--units gives no vectors', 'leave out --frames and --normalise')
    if (runs && units === undefined)
      throw badArgument('--runs is of units', 'give their centroids with --units')
    if (units !== undefined && layer === undefined)
      throw badArgument('--units needs --layer', 'name the layer that the centroids are of')
    const given = await readGiven(args.input, args.text)
    if (units !== undefined && given.kind !== 'sound')
      throw badArgument(`--units is for sounds, not for ${given.kind}s`)
    if (!args.local) {
      if (layer !== undefined || frames || units !== undefined)
        throw badArgument('layers, frames and units are taken on this machine alone', 'add --local')
      return embedThere(args, given, io)
    }
    const card = await chooseModel(args, 'embed', io, given.kind)
    const embedding = {
      input: given.kind,
      ...(layer === undefined ? {} : { layer }),
      ...(units === undefined ? {} : { centroidsPath: expandPath(units) }),
    }
    const counted = given.kind === 'sound' ? 's' : 'pieces'
    const form = units !== undefined ? 'units' : frames ? 'rows' : 'vector'
    const { value, loadMs, runMs } = await runLocal(
      { ...args, embedding, counted },
      card,
      io,
      (model, told) => model.embed({ content: given.content, form, normalise }, io.signal, told),
    )
    const { runsOf } = await import('../models/hubert/units.js')
    const found = value.units ?? []
    const joined = runs ? runsOf(found) : undefined
    const printed = joined?.map(({ unit }) => unit) ?? found
    const rows = rowsOf(value)
    const [vector] = rows
    const result = {
      model: card.name,
      input: given.kind,
      layer: layer ?? null,
      ...(form === 'units'
        ? {
            units: printed,
            ...(joined === undefined ? {} : { unitFrames: joined.map((each) => each.frames) }),
          }
        : { width: value.width }),
      ...(form === 'rows' ? { frames: rows } : form === 'vector' ? { vector } : {}),
      ...(value.tokens === undefined ? {} : { tokens: value.tokens }),
      ...(value.grid === undefined ? {} : { grid: value.grid }),
      ...(value.frameSeconds === undefined ? {} : { frameSeconds: value.frameSeconds }),
      ...(given.seconds === undefined ? {} : { durationSeconds: given.seconds }),
      loadMs: Math.round(loadMs),
      runMs: Math.round(runMs),
    }
    io.output.result(result, () =>
      form === 'units' ? printed.join(' ') : rows.map((row) => JSON.stringify(row)).join('\n'),
    )
    return 0
  },
})

/** One vector, bought. */
async function embedThere(
  args: Parameters<typeof buy>[0] & { readonly normalise: boolean },
  given: Given,
  io: CommandIo,
): Promise<number> {
  const { content } = given
  if (content instanceof Uint8Array)
    throw badArgument('images are embedded on this machine alone', 'add --local')
  const input: JobInput =
    typeof content === 'string' ? { kind: 'text', text: content } : await soundInput(content)
  const bought = await buy(args, { task: 'embed', input, parameters: {} }, io)
  const { output } = bought.answer
  if (output.kind !== 'vector') throw new Error(`a vector came as ${output.kind}`)
  const { normaliseRows } = await import('../models/embedding/vectors.js')
  const width = output.values.length
  const values = args.normalise ? normaliseRows(output.values, width) : output.values
  const [vector = []] = rowsOf({ values, width })
  const result = { ...boughtFields(bought), input: given.kind, layer: null, width, vector }
  io.output.result(result, () => JSON.stringify(vector))
  return 0
}

/** Numbers as short as a float32 can be told in. */
function rowsOf({ values, width }: Embedding): readonly (readonly number[])[] {
  const numbers = Array.from(values, (value) => Number(value.toPrecision(FLOAT32_DIGITS)))
  return Array.from({ length: numbers.length / width }, (_, i) => numbers.slice(i * width, (i + 1) * width))
}
