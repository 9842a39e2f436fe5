/** What a model's process takes while it opens and works, as a provider has it: read from the system, not from itself. */
import { readdirSync, readFileSync } from 'node:fs'

const dist = (path) => import(new URL(`../../../dist/${path}`, import.meta.url).href)
const { memoryOf } = await dist('inference/catalogue/memory.js')
const { embedsFrom } = await dist('inference/catalogue/card.js')
const { LocalModel } = await dist('inference/local/local-model.js')
const { limitFor } = await dist('inference/local/memory-limit.js')
const { workOf } = await dist('inference/local/bench-work.js')

/** What a model's process runs. */
const ENTRY = 'session/child-main.js'
/** The kernel keeps the most that was resident; of what is the process's own it tells only what is there now. */
const LOOK_MS = 20
const LINES = { residentBytes: 'VmHWM', ownBytes: 'RssAnon', reservedBytes: 'VmData' }

/** Nothing of a process that is gone. */
function read(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

const parentOf = (pid) => Number(/^PPid:\s+(\d+)/m.exec(read(pid, 'status'))?.[1])
const commandOf = (pid) => read(pid, 'cmdline')

/** Looks at what this process started, the largest of it at a time. */
class Watch {
  #most = { residentBytes: 0, ownBytes: 0, reservedBytes: 0 }
  #timer
  #pid

  constructor() {
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
  }

  #look() {
    this.#pid ??= childOf(process.pid)
    const text = this.#pid === undefined ? '' : read(this.#pid, 'status')
    for (const [name, line] of Object.entries(LINES)) {
      const bytes = 1024 * Number(new RegExp(`^${line}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
      this.#most[name] = Math.max(this.#most[name], bytes)
    }
  }

  /** The most so far. */
  get most() {
    this.#look()
    return { ...this.#most }
  }

  end() {
    clearInterval(this.#timer)
  }
}

function childOf(parent) {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    if (parentOf(name) === parent && commandOf(name).includes(ENTRY)) return name
  }
  return undefined
}

/**
 * Opens the model in a process of its own and gives it its largest piece of work.
 * @param size of the input, in the unit of the model's work
 * @param most bytes that it may take: a provider's limit would hide how far the need is from what it took
 * @returns what it took, and the limit that a provider sets by the need
 */
export async function serve(card, precision, { size, threads, most }) {
  const needBytes = memoryOf(card, precision)
  const limitBytes = limitFor(needBytes, threads)
  const input = embedsFrom(card)
  const watch = new Watch()
  try {
    const model = await LocalModel.open(card, {
      threads,
      memoryBytes: most,
      int8: precision === 'int8',
      ...(card.task === 'embed' && { embedding: { input } }),
    })
    try {
      const opened = watch.most
      const work = await workOf(card)
      await work.call(model, size)
      return { needBytes, limitBytes, opened, worked: watch.most }
    } finally {
      await model.close()
    }
  } finally {
    watch.end()
  }
}
