/** The server behind a provider, as its configuration names it. */
import { dirname, resolve } from 'node:path'
import { dataPaths, expandPath } from '../../config/paths.js'
import type { Config } from '../../config/schema.js'
import { UserError } from '../../errors.js'
import { TASKS, type Task } from '../../inference/catalogue/card.js'
import { readPrivateFile } from '../../inference/gateway/api-keys.js'
import type { Upstream } from '../../inference/provider/sold-jobs.js'
import { UpstreamJobs } from '../../inference/upstream/upstream-jobs.js'

/** @returns undefined where nothing of a server is sold @throws UserError BAD_CONFIG */
export async function openUpstream(config: Config): Promise<Upstream | undefined> {
  const { upstream, deadlineSeconds, queue } = config.inference.provider
  if (upstream.models.length === 0) return undefined
  if (upstream.url === undefined)
    throw new UserError('inference.provider.upstream has models for sale and no server', {
      code: 'BAD_CONFIG',
      remedy: 'set inference.provider.upstream.url',
      exitStatus: 2,
    })
  const apiKey = upstream.keyFile === undefined ? undefined : await readKey(config, upstream.keyFile)
  const jobs = new UpstreamJobs({
    baseUrl: upstream.url,
    tasks: new Map(upstream.tasks.map(taskOf)),
    timeoutMs: deadlineSeconds * 1000,
    mostWaiting: queue,
    ...(apiKey === undefined ? {} : { apiKey }),
  })
  return { jobs, names: upstream.models.map((each) => each.slice(0, each.indexOf('='))) }
}

function taskOf(item: string): readonly [string, Task] {
  const [name = '', word = ''] = item.split('=')
  const task = TASKS.find((each) => each === word)
  if (task !== undefined) return [name, task]
  throw new UserError(`inference.provider.upstream.tasks: ${word} is no task`, {
    code: 'BAD_CONFIG',
    remedy: `choose one of ${TASKS.join(', ')}`,
    exitStatus: 2,
  })
}

/** Beside the configuration, unless its path says otherwise. */
async function readKey({ dataDir }: Config, path: string): Promise<string> {
  const file = path.startsWith('~') ? expandPath(path) : resolve(dirname(dataPaths(dataDir).config), path)
  const [key = ''] = (await readPrivateFile(file)).split(/\r?\n/, 1)
  if (/^[\x21-\x7e]+$/.test(key)) return key
  throw new UserError(`${file} holds no API key in its first line`, { code: 'BAD_CONFIG', exitStatus: 2 })
}
