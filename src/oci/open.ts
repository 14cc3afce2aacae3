import type { LayoutReference, Reference } from '../model/reference.ts'
import { archiveFiles } from './archive-files.ts'
import { dockerArchiveSource } from './docker-archive.ts'
import type { Environment } from './environment.ts'
import { folderFiles } from './folder-files.ts'
import { layoutSource } from './layout.ts'
import { mirroredSource } from './mirrored.ts'
import type { Source } from './source.ts'

/** The only place where sources are chosen. */
export function openSource(reference: Reference, environment: Environment = {}): Source {
  return reference.transport === 'registry' ? mirroredSource(reference, environment) : openLayout(reference)
}

function openLayout({ transport, path }: LayoutReference): Source {
  switch (transport) {
    case 'oci':
      return layoutSource(folderFiles(path))
    case 'oci-archive':
      return layoutSource(archiveFiles(path, transport))
    case 'docker-archive':
      return dockerArchiveSource(archiveFiles(path, transport))
  }
}
