/** The plainest service: one model, one method, `run`. */

import { entryUrl } from './placement.js'
import type { Service } from './service.js'
import { type CallOptions, ServiceHost, type ServiceHostOptions } from './service-host.js'
import { Session, type SessionOptions, type TensorValue, type TensorValues } from './session.js'

interface GraphServiceOptions {
  readonly model: Uint8Array | string
  readonly session: SessionOptions
}

/** The factory that the far side calls. */
export async function openGraphService(options: unknown): Promise<Service> {
  const { model, session: settings } = options as GraphServiceOptions
  const session = await Session.open(model, settings)
  return {
    call: async (method, argument) => {
      if (method !== 'run') throw new Error(`a graph has no method ${method}`)
      return session.run(argument as TensorValues)
    },
    close: () => session.close(),
  }
}

/** A session in a place of its own: as {@link Session}, but off this thread and to be cancelled. */
export class RemoteSession {
  readonly host: ServiceHost

  /** @param model an encoded model, or the path of a file, which is the way for large ones. */
  constructor(model: Uint8Array | string, session: SessionOptions = {}, host: ServiceHostOptions = {}) {
    const options: GraphServiceOptions = { model, session }
    this.host = new ServiceHost(
      { url: entryUrl('graph-service').href, factory: 'openGraphService', options },
      host,
    )
  }

  /** @throws as ServiceHost.call. */
  async run(inputs: TensorValues, options: CallOptions = {}): Promise<Record<string, TensorValue>> {
    return (await this.host.call('run', inputs, options)) as Record<string, TensorValue>
  }

  close(): Promise<void> {
    return this.host.close()
  }
}
