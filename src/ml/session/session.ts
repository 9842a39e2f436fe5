/**
 * A model ready to run, in this thread: `run` blocks until it is done, so the daemon uses the hosts of this folder,
 * which keep a session in a child process or a worker.
 */
import type * as Ort from 'onnxruntime-node'
import type { DType } from '../graph/index.js'
import { loadRuntime, type Runtime, type RuntimeKind } from './runtime.js'
import { readExternalData } from './web-weights.js'

/** Values with a type and a shape. bool is kept as bytes, float16 as its bits. */
export interface TensorValue {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data:
    | Float32Array
    | Float64Array
    | BigInt64Array
    | Int32Array
    | Int8Array
    | Uint8Array
    | Uint16Array
}

export type TensorValues = Readonly<Record<string, TensorValue>>

export interface SessionOptions {
  /** Threads within an operation; 1 unless told. More than the free cores is slower, not faster. */
  readonly threads?: number
  readonly runtime?: RuntimeKind | 'auto'
  /**
   * Keep freed memory for the next run. Off, a session shrinks back between runs, which suits one that is served with
   * very different lengths.
   */
  readonly arena?: boolean
  /** How far the runtime may rewrite the graph; everything unless told. */
  readonly optimisation?: 'disabled' | 'basic' | 'extended' | 'all'
  /**
   * Where the external weights of a model given as bytes lie: a folder, to which their locations are relative. The
   * native runtime maps the files, so weights that it keeps in their order are never copied; the web runtime is given
   * their content.
   */
  readonly weightsFolder?: string
}

export interface RunOptions {
  /** Buffers that outputs are written into, by name; the others come in fresh ones. */
  readonly into?: TensorValues
}

export class Session {
  readonly #runtime: Runtime
  readonly #session: Ort.InferenceSession
  #closed = false

  private constructor(runtime: Runtime, session: Ort.InferenceSession) {
    this.#runtime = runtime
    this.#session = session
  }

  /**
   * @param model an encoded model, or the path of a file (whose external weights are then mapped, not read).
   * @throws Error with the runtime's reason where the model is not valid.
   */
  static async open(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    const { threads = 1, runtime: wanted = 'auto', arena = true, optimisation = 'all' } = options
    const runtime = await loadRuntime(wanted)
    const settings: Ort.InferenceSession.SessionOptions = {
      executionProviders: [runtime.kind === 'native' ? 'cpu' : 'wasm'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: optimisation,
      enableCpuMemArena: arena,
      enableMemPattern: arena,
      logSeverityLevel: 3,
    }
    // Threads that wait sleep. Where they would spin, a busy machine pays for each wait with a core: two threads then
    // take 1.5 times the processor time of two that sleep, and longer by the clock.
    if (runtime.kind === 'native')
      settings.extra = {
        session: {
          intra_op: { allow_spinning: '0' },
          ...(options.weightsFolder !== undefined && {
            model_external_initializers_file_folder_path: options.weightsFolder,
          }),
        },
      }
    else if (options.weightsFolder !== undefined && typeof model !== 'string')
      settings.externalData = await readExternalData(model, options.weightsFolder)
    const session =
      typeof model === 'string'
        ? await runtime.InferenceSession.create(model, settings)
        : await runtime.InferenceSession.create(model, settings)
    return new Session(runtime, session)
  }

  get runtime(): RuntimeKind {
    return this.#runtime.kind
  }

  get inputNames(): readonly string[] {
    return this.#session.inputNames
  }

  get outputNames(): readonly string[] {
    return this.#session.outputNames
  }

  /** @throws Error with the runtime's reason, where inputs are missing or of the wrong type or shape. */
  async run(inputs: TensorValues, { into = {} }: RunOptions = {}): Promise<Record<string, TensorValue>> {
    if (this.#closed) throw new Error('the session is closed')
    const feeds: Record<string, Ort.Tensor> = {}
    for (const [name, value] of Object.entries(inputs)) feeds[name] = this.#give(value)
    const fetches: Record<string, Ort.Tensor | null> = {}
    for (const name of this.#session.outputNames) {
      const place = into[name]
      fetches[name] = place === undefined ? null : this.#give(place)
    }
    const results = await this.#session.run(feeds, fetches)
    const outputs: Record<string, TensorValue> = {}
    for (const name of this.#session.outputNames) {
      const tensor = results[name]
      if (tensor === undefined) throw new Error(`the runtime returned no ${name}`)
      outputs[name] = into[name] ?? take(tensor)
    }
    return outputs
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#session.release()
  }

  #give({ dtype, shape, data }: TensorValue): Ort.Tensor {
    if (dtype === 'bfloat16') throw new TypeError('bfloat16 is for stored weights, not for inputs')
    return new this.#runtime.Tensor(dtype, data as Ort.Tensor.DataType, [...shape])
  }
}

function take(tensor: Ort.Tensor): TensorValue {
  return {
    dtype: tensor.type as DType,
    shape: [...tensor.dims],
    data: tensor.data as TensorValue['data'],
  }
}
