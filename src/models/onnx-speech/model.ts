/**
 * A speech model that comes as an ONNX file, in the layout of Hugging Face's Optimum: `model.onnx` beside config.json,
 * preprocessor_config.json and the tokenizer's files. It takes `input_values` (and `attention_mask`, where it was exported
 * with one) and gives `logits`; what is around the graph, normalisation, windows and letters, is ours.
 */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.js'
import { prepareWaveforms, readWaveformOptions, type WaveformOptions } from '../../ml/audio/normalise.js'
import { Session, type TensorValue } from '../../ml/session/session.js'
import { CtcTokenizer } from '../../ml/tokenizers/ctc.js'
import { readConfig } from '../checkpoint/config-file.js'
import { leastSamples, parseSpeechConfig, type SpeechEncoderConfig } from '../wav2vec2/config.js'
import { ONNX_FILE } from './file.js'

const SOUND = 'input_values'
const MASK = 'attention_mask'
const LOGITS = 'logits'
/** What one encoded model may have (protobuf's own limit); larger ones keep their weights in files beside it. */
const MOST_BYTES = 2 ** 31 - 1

/** Logits of one recording. */
export interface OnnxLogits {
  readonly logits: Float32Array
  readonly frames: number
  readonly vocabulary: number
}

export class OnnxSpeech {
  readonly config: SpeechEncoderConfig
  readonly waveform: WaveformOptions
  readonly #session: Session

  private constructor(config: SpeechEncoderConfig, waveform: WaveformOptions, session: Session) {
    this.config = config
    this.waveform = waveform
    this.#session = session
  }

  /** @throws UserError where the folder holds no such model, or a graph with other inputs and outputs */
  static async open(directory: string, { threads }: { readonly threads?: number } = {}): Promise<OnnxSpeech> {
    const path = join(directory, ONNX_FILE)
    const config = parseSpeechConfig(await readConfig(directory), join(directory, 'config.json'))
    const waveform = await readWaveformOptions(directory)
    const { size } = await stat(path)
    if (size > MOST_BYTES)
      throw new UserError(`${path} has ${size} bytes`, {
        code: 'BAD_CONFIG',
        remedy: 'export it with its weights as external data',
      })
    const session = await Session.open(new Uint8Array(await readFile(path)), {
      weightsFolder: directory,
      ...(threads === undefined ? {} : { threads }),
    }).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error)
      throw new UserError(`${path} does not run: ${reason}`, {
        code: 'BAD_CONFIG',
        remedy: 'check that all of it was downloaded, weights in files beside it included',
        cause: error,
      })
    })
    const { inputNames, outputNames } = session
    const isKnown = inputNames.every((name) => name === SOUND || name === MASK)
    if (isKnown && inputNames.includes(SOUND) && outputNames.includes(LOGITS))
      return new OnnxSpeech(config, waveform, session)
    await session.close()
    throw new UserError(
      `${path} takes ${inputNames.join(', ')} and gives ${outputNames.join(', ')}: not a speech model as Optimum exports it`,
      {
        code: 'BAD_CONFIG',
        remedy: `export one that takes ${SOUND} and gives ${LOGITS}`,
      },
    )
  }

  /** Blocks this thread. @param sound at {@link waveform}'s rate @throws UserError for one too short to make a frame */
  async run(sound: Float32Array): Promise<OnnxLogits> {
    const least = leastSamples(this.config)
    if (sound.length < least)
      throw new UserError(`a sound of ${sound.length} samples is too short`, {
        code: 'BAD_ARGUMENT',
        remedy: `give at least ${least} samples`,
      })
    const { values, samples } = prepareWaveforms([sound], this.waveform)
    const shape = [1, samples]
    const given: Record<string, TensorValue> = { [SOUND]: { dtype: 'float32', shape, data: values } }
    if (this.#session.inputNames.includes(MASK))
      given[MASK] = { dtype: 'int64', shape, data: new BigInt64Array(samples).fill(1n) }
    const { [LOGITS]: logits } = await this.#session.run(given)
    if (logits?.dtype !== 'float32')
      throw new UserError('its logits are no 32-bit floats', { code: 'BAD_CONFIG' })
    const vocabulary = logits.shape.at(-1) ?? 0
    const data = logits.data as Float32Array
    return { logits: data, frames: vocabulary === 0 ? 0 : data.length / vocabulary, vocabulary }
  }

  close(): Promise<void> {
    return this.#session.close()
  }
}

/** A recogniser, to be used as {@link Recogniser} is. */
export class OnnxRecogniser {
  readonly model: OnnxSpeech
  readonly tokenizer: CtcTokenizer
  readonly language: string | undefined

  private constructor(model: OnnxSpeech, tokenizer: CtcTokenizer, language: string | undefined) {
    this.model = model
    this.tokenizer = tokenizer
    this.language = language
  }

  /** @throws UserError */
  static async open(directory: string, options: { readonly threads?: number } = {}): Promise<OnnxRecogniser> {
    const tokenizer = await CtcTokenizer.read(directory)
    return new OnnxRecogniser(await OnnxSpeech.open(directory, options), tokenizer, undefined)
  }

  async transcribe(sounds: readonly Float32Array[]): Promise<readonly OnnxLogits[]> {
    const rows: OnnxLogits[] = []
    for (const sound of sounds) rows.push(await this.model.run(sound))
    return rows
  }

  close(): Promise<void> {
    return this.model.close()
  }
}

/** A classifier of recordings, to be used as {@link SpeechClassifier} is. */
export class OnnxClassifier {
  readonly model: OnnxSpeech

  private constructor(model: OnnxSpeech) {
    this.model = model
  }

  /** @throws UserError */
  static async open(directory: string, options: { readonly threads?: number } = {}): Promise<OnnxClassifier> {
    return new OnnxClassifier(await OnnxSpeech.open(directory, options))
  }

  get labels(): readonly string[] {
    return this.model.config.classifier.labels
  }

  async classify(sounds: readonly Float32Array[]): Promise<readonly { readonly logits: Float32Array }[]> {
    const rows: OnnxLogits[] = []
    for (const sound of sounds) rows.push(await this.model.run(sound))
    return rows
  }

  close(): Promise<void> {
    return this.model.close()
  }
}
