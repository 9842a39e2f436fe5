/**
 * The runtime that executes ONNX graphs: onnxruntime-node where it has a build (Linux x64/arm64 with glibc >= 2.28,
 * macOS arm64, Windows), otherwise onnxruntime-web, the same operators compiled to WebAssembly, about five times slower.
 */
import type * as Ort from 'onnxruntime-node'

export type RuntimeKind = 'native' | 'web'

export interface Runtime {
  readonly kind: RuntimeKind
  readonly version: string
  readonly Tensor: typeof Ort.Tensor
  readonly InferenceSession: Ort.InferenceSessionFactory
}

/** Warnings and above, so that the runtime writes nothing to the terminal in ordinary work. */
const LOG_LEVEL = 'error'

async function loadNative(): Promise<Runtime> {
  const ort = await import('onnxruntime-node')
  ort.env.logLevel = LOG_LEVEL
  return {
    kind: 'native',
    version: ort.env.versions.node ?? ort.env.versions.common,
    Tensor: ort.Tensor,
    InferenceSession: ort.InferenceSession,
  }
}

async function loadWeb(): Promise<Runtime> {
  const ort = await import('onnxruntime-web')
  ort.env.logLevel = LOG_LEVEL
  // Threads of the WebAssembly build need a browser's workers.
  ort.env.wasm.numThreads = 1
  return {
    kind: 'web',
    version: ort.env.versions.web ?? ort.env.versions.common,
    Tensor: ort.Tensor as unknown as typeof Ort.Tensor,
    InferenceSession: ort.InferenceSession as unknown as Ort.InferenceSessionFactory,
  }
}

const loaded = new Map<RuntimeKind, Promise<Runtime>>()

function load(kind: RuntimeKind): Promise<Runtime> {
  const known = loaded.get(kind)
  if (known !== undefined) return known
  const loading = kind === 'native' ? loadNative() : loadWeb()
  loaded.set(kind, loading)
  return loading
}

let preferred: RuntimeKind | undefined

/** What `auto` means in this process from now on: for a process that serves one model on a runtime that was named. */
export function preferRuntime(kind: RuntimeKind): void {
  preferred = kind
}

/**
 * @param wanted one of the two, or `auto`: native, and web where native does not load.
 * @throws Error with both reasons where neither loads.
 */
export async function loadRuntime(wanted: RuntimeKind | 'auto' = 'auto'): Promise<Runtime> {
  if (wanted !== 'auto') return load(wanted)
  if (preferred !== undefined) return load(preferred)
  try {
    return await load('native')
  } catch (native) {
    try {
      return await load('web')
    } catch (web) {
      throw new Error(`no ONNX runtime loads: native: ${reason(native)}; web: ${reason(web)}`, {
        cause: native,
      })
    }
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))
