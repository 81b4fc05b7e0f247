"""Core ML packages of the model: conversion, compression, and a check that runs without Core ML."""
