-- SPDX-License-Identifier: BSD-2-Clause
-- enqueue_copy: The bulk road's rows, in binary.
copy penstock.job (id, pipeline, attributes, body) from stdin (format binary);
