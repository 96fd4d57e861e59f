"""A gallery knows its models by hash, wherever their files lie."""

import pytest

from fusiform.core.errors import ModelsDiffer
from fusiform.gallery import Store


def test_a_moved_file_is_the_same_model(tmp_path):
    with Store(tmp_path / "g.db") as store:
        store.use_models("/old/det.onnx", "/old/net.onnx", "e" * 64, "{}", "d" * 64)
        store.use_models("/new/det.onnx", "/new/net.onnx", "e" * 64, "{}", "d" * 64)
        with pytest.raises(ModelsDiffer, match="/old/det"):
            store.use_models("/old/det.onnx", "/old/net.onnx", "e" * 64, "{}", "x" * 64)


def test_without_a_hash_the_name_counts(tmp_path):
    with Store(tmp_path / "g.db") as store:
        store.use_models("dlib-hog", "dlib-resnet", "e" * 64)
        store.use_models("dlib-hog", "dlib-resnet", "e" * 64)
        with pytest.raises(ModelsDiffer, match="dlib-hog"):
            store.use_models("yunet-s", "dlib-resnet", "e" * 64, "{}", "d" * 64)
