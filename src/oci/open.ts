import type { LayoutReference, Reference } from '../model/reference.ts'
import { archiveFiles } from './archive-files.ts'
import type { Environment } from './environment.ts'
import { folderFiles } from './folder-files.ts'
import { layoutSource } from './layout.ts'
import { registrySource } from './registry.ts'
import type { Source } from './source.ts'

/** The only place where sources are chosen. */
export function openSource(reference: Reference, environment: Environment = {}): Source {
  if (reference.transport !== 'registry') return openLayout(reference)
  const { settings = {}, network } = environment
  return registrySource(reference, { setting: settings[reference.registry], network })
}

function openLayout({ transport, path }: LayoutReference): Source {
  switch (transport) {
    case 'oci':
      return layoutSource(folderFiles(path))
    case 'oci-archive':
      return layoutSource(archiveFiles(path, transport))
  }
}
